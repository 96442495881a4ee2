// What the hook after `azd deploy` installs. azd keeps the outputs of main.bicep in its environment.
using 'subscriptions.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')
param feedGroup = readEnvironmentVariable('AZURE_RESOURCE_GROUP')
param developmentGroup = readEnvironmentVariable('AZURE_RESOURCE_GROUP_DEVELOPMENT')
param productionGroup = readEnvironmentVariable('AZURE_RESOURCE_GROUP_PRODUCTION')
param existingTopics = json(readEnvironmentVariable('TIDEGATE_EXISTING_TOPICS', '{}'))
