// The event subscriptions of the installation that Tidepool runs.
using 'subscriptions.bicep'

param environmentName = 'local'
param location = 'japaneast'
