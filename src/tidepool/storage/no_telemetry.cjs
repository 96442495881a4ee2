// Azurite loads Microsoft's telemetry library even if it is told to send nothing. That takes half of its start.
const Module = require("node:module");
const load = Module._load;
Module._load = (request, ...rest) => (request === "applicationinsights" ? {} : load(request, ...rest));
