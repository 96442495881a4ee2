// Gives Azurite the keys of all storage accounts. Azurite's process loads this file before Azurite itself.
//
// Azurite reads its accounts from an environment variable of its own process, so nobody could create an account
// later. Tidepool derives each key from a secret (accounts.py does the same), and its gateway refuses accounts
// that do not exist before a request reaches Azurite.
const { createHmac } = require("node:crypto");

const secret = process.env.TIDEPOOL_ACCOUNT_SECRET;
const AccountDataStore = require(process.env.TIDEPOOL_ACCOUNT_STORE).default;
const accounts = new Map();

function key(text) {
  return createHmac("sha512", secret).update(text).digest();
}

AccountDataStore.prototype.refresh = function () {};
AccountDataStore.prototype.getAccount = function (name) {
  if (!accounts.has(name)) {
    accounts.set(name, { name, key1: key(name), key2: key(`${name}/key2`) });
  }
  return accounts.get(name);
};
