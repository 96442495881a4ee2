// Tidegate on Azure: the service in one group, and a workspace for development and one for production in groups of their
// own, so that no role of development holds in production. subscriptions.bicep follows after the code is deployed.
targetScope = 'subscription'

import { resourceNames } from 'names.bicep'

@description('Name of the environment, as azd has it. Groups are named after it.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Region of all new resources. It must have Flex Consumption: az functionapp list-flexconsumption-locations.')
param location string

@description('Apprise URL to which people are notified: https://appriseit.com/services/')
@secure()
param notifyUrl string

@description('Address that gets alerts: the timer does not run, work failed, dead letters, work that does not end. Empty: no alerts and no workbook.')
param alertEmail string = ''

@description('Object id of who deploys, for tidegate deploy and tidegate doctor. Empty: nobody gets these roles.')
param deployerId string = ''

@description('Kind of the deployer: a pipeline is a ServicePrincipal.')
@allowed(['User', 'ServicePrincipal', 'Group'])
param deployerType string = 'User'

@description('Object id of the Entra group of data scientists. Empty: no roles for them.')
param scientistsId string = ''

@description('Part of the names of vaults and workspaces. Change it if you deploy again after azd down: deleted vaults keep their names for 7 days, and deleted workspaces for 14.')
@maxLength(3)
param nameSuffix string = ''

@description('Clusters of the development workspace. GPU clusters need a quota: docs/azure.md.')
param developmentClusters string[] = ['cpu']

@description('Clusters of the production workspace, for feeds that are scored there.')
param productionClusters string[] = []

@description('Containers of the feeds, in the new storage account.')
param feedContainers string[] = ['images']

@description('For how many days deleted files of feeds can be restored.')
@minValue(1)
@maxValue(365)
param softDeleteDays int = 30

@description('An existing storage account of this subscription in which files arrive, instead of a new one.')
param existingFeedStorage { name: string, resourceGroup: string, location: string }?

@description('An existing workspace of this subscription instead of a new one. storage and registry are the names of its storage account and its registry of images, in the same resource group.')
param existingDevelopment existingWorkspace?

@description('An existing workspace for production, as existingDevelopment.')
param existingProduction existingWorkspace?

@description('Existing system topics of existing sources, with a system-assigned identity: a source has at most one.')
param existingTopics { storage: string?, development: string?, production: string? } = {}

@description('Python of the package that is deployed.')
@allowed(['3.11', '3.12'])
param pythonVersion string = '3.12'

@description('Most instances of the function app.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 100

@description('How many HTTP requests an instance answers at a time.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 16

@description('Instances that never stop, and cost all the time: name is `http`, or `function:` and the name of a function.')
param alwaysReady { name: string, instanceCount: int }[] = []

@description('Client id of the app registration with which people sign in, so that approvals have their names (docs/models.md). Empty: no sign-in.')
param authClientId string = ''

@description('Disabled: storage, vaults and workspaces are reached by private endpoints only (network.bicep).')
@allowed(['Enabled', 'Disabled'])
param publicNetworkAccess string = 'Enabled'

@description('Id of the subnet of the function app (network.bicep). Empty: no virtual network.')
param subnetId string = ''

@description('Tier of the registries of images. Private endpoints need Premium.')
@allowed(['Basic', 'Standard', 'Premium'])
param registrySku string = 'Basic'

@description('An existing workspace.')
type existingWorkspace = { name: string, resourceGroup: string, location: string, storage: string, registry: string }

var names = resourceNames(subscription().subscriptionId, environmentName, location, nameSuffix)
var tags = { 'azd-env-name': environmentName }
var packageContainer = 'tidegate-package'
var deadLetterContainer = 'tidegate-deadletter'

var feedGroup = existingFeedStorage.?resourceGroup ?? names.serviceGroup
var feedStorage = existingFeedStorage.?name ?? names.feedStorage
var developmentGroup = existingDevelopment.?resourceGroup ?? names.developmentGroup
var development = existingDevelopment.?name ?? names.development
var productionGroup = existingProduction.?resourceGroup ?? names.productionGroup
var production = existingProduction.?name ?? names.production

// Names of resources by the name that their scope has in roles.yaml, for each group.
var serviceScopes = {
  'service-storage': names.serviceStorage
  'custom-topic': names.customTopic
  insights: names.insights
}
var feedScopes = { 'feed-storage': feedStorage }
var developmentScopes = {
  development: development
  'development-storage': existingDevelopment.?storage ?? names.developmentStorage
  'development-registry': existingDevelopment.?registry ?? names.developmentRegistry
}
var productionScopes = {
  production: production
  'production-storage': existingProduction.?storage ?? names.productionStorage
  'production-registry': existingProduction.?registry ?? names.productionRegistry
}

resource serviceGroup 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: names.serviceGroup
  location: location
  tags: tags
}

resource newDevelopmentGroup 'Microsoft.Resources/resourceGroups@2025-04-01' = if (existingDevelopment == null) {
  name: names.developmentGroup
  location: location
  tags: tags
}

resource newProductionGroup 'Microsoft.Resources/resourceGroups@2025-04-01' = if (existingProduction == null) {
  name: names.productionGroup
  location: location
  tags: tags
}

module alerts 'modules/alerts.bicep' = if (!empty(alertEmail)) {
  name: 'alerts'
  scope: serviceGroup
  params: {
    actionGroupName: names.actionGroup
    email: alertEmail
    insightsId: monitoring.outputs.insightsId
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: serviceGroup
  params: {
    logWorkspaceName: names.logWorkspace
    insightsName: names.insights
    location: location
    tags: tags
  }
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: serviceGroup
  params: { name: names.identity, location: location, tags: tags }
}

module serviceStorage 'modules/storage.bicep' = {
  name: 'service-storage'
  scope: serviceGroup
  params: {
    name: names.serviceStorage
    location: location
    tags: tags
    containers: [packageContainer, deadLetterContainer]
    publicNetworkAccess: publicNetworkAccess
  }
}

module newFeedStorage 'modules/storage.bicep' = if (existingFeedStorage == null) {
  name: 'feed-storage'
  scope: serviceGroup
  params: {
    name: names.feedStorage
    location: location
    tags: tags
    containers: feedContainers
    softDeleteDays: softDeleteDays
    publicNetworkAccess: publicNetworkAccess
  }
}

module newDevelopment 'modules/workspace.bicep' = if (existingDevelopment == null) {
  name: 'development'
  scope: newDevelopmentGroup
  params: {
    name: names.development
    displayName: '${environmentName} development'
    storageName: names.developmentStorage
    vaultName: names.developmentVault
    registryName: names.developmentRegistry
    insightsName: names.developmentInsights
    logWorkspaceId: monitoring.outputs.logWorkspaceId
    location: location
    tags: tags
    registrySku: registrySku
    publicNetworkAccess: publicNetworkAccess
  }
}

module newProduction 'modules/workspace.bicep' = if (existingProduction == null) {
  name: 'production'
  scope: newProductionGroup
  params: {
    name: names.production
    displayName: '${environmentName} production'
    storageName: names.productionStorage
    vaultName: names.productionVault
    registryName: names.productionRegistry
    insightsName: names.productionInsights
    logWorkspaceId: monitoring.outputs.logWorkspaceId
    location: location
    tags: tags
    registrySku: registrySku
    publicNetworkAccess: publicNetworkAccess
  }
}

module developmentComputes 'modules/clusters.bicep' = {
  name: 'development-clusters'
  scope: resourceGroup(developmentGroup)
  params: {
    workspaceName: development
    identity: 'development-cluster'
    clusters: developmentClusters
    location: existingDevelopment.?location ?? location
    tags: tags
    scopes: developmentScopes
    feedGroup: feedGroup
    feedScopes: feedScopes
  }
  dependsOn: [newDevelopment, newFeedStorage]
}

module productionComputes 'modules/clusters.bicep' = {
  name: 'production-clusters'
  scope: resourceGroup(productionGroup)
  params: {
    workspaceName: production
    identity: 'production-cluster'
    clusters: productionClusters
    location: existingProduction.?location ?? location
    tags: tags
    scopes: productionScopes
    feedGroup: feedGroup
    feedScopes: feedScopes
  }
  dependsOn: [newProduction, newFeedStorage]
}

module customTopic 'modules/custom-topic.bicep' = {
  name: 'custom-topic'
  scope: serviceGroup
  params: { name: names.customTopic, location: location, tags: tags }
}

// Each system topic is in the group and in the region of its source.
var sources = [
  {
    name: names.storageTopic
    existingName: existingTopics.?storage ?? ''
    group: feedGroup
    id: resourceId(subscription().subscriptionId, feedGroup, 'Microsoft.Storage/storageAccounts', feedStorage)
    type: 'Microsoft.Storage.StorageAccounts'
    location: existingFeedStorage.?location ?? location
  }
  {
    name: names.developmentTopic
    existingName: existingTopics.?development ?? ''
    group: developmentGroup
    id: resourceId(
      subscription().subscriptionId,
      developmentGroup,
      'Microsoft.MachineLearningServices/workspaces',
      development
    )
    type: 'Microsoft.MachineLearningServices.Workspaces'
    location: existingDevelopment.?location ?? location
  }
  {
    name: names.productionTopic
    existingName: existingTopics.?production ?? ''
    group: productionGroup
    id: resourceId(
      subscription().subscriptionId,
      productionGroup,
      'Microsoft.MachineLearningServices/workspaces',
      production
    )
    type: 'Microsoft.MachineLearningServices.Workspaces'
    location: existingProduction.?location ?? location
  }
]

module systemTopics 'modules/system-topic.bicep' = [
  for source in sources: {
    name: 'topic-${source.name}'
    scope: resourceGroup(source.group)
    params: {
      name: source.name
      existingName: source.existingName
      sourceId: source.id
      topicType: source.type
      location: source.location
      tags: tags
      deadLetterGroup: names.serviceGroup
      deadLetterContainer: '${names.serviceStorage}/default/${deadLetterContainer}'
    }
    dependsOn: [serviceStorage, newFeedStorage, newDevelopment, newProduction]
  }
]

// The identities that have roles in several groups.
var people = concat(
  empty(deployerId) ? [] : [{ identity: 'deployer', id: deployerId, type: deployerType }],
  empty(scientistsId) ? [] : [{ identity: 'scientists', id: scientistsId, type: 'Group' }]
)
var groups = [
  { name: names.serviceGroup, scopes: serviceScopes }
  { name: feedGroup, scopes: feedScopes }
  { name: developmentGroup, scopes: developmentScopes }
  { name: productionGroup, scopes: productionScopes }
]

module appRoles 'modules/roles.bicep' = [
  for (group, i) in groups: {
    name: 'app-roles-${i}'
    scope: resourceGroup(group.name)
    params: { identity: 'app', principalId: identity.outputs.principalId, scopes: group.scopes }
    dependsOn: [monitoring, serviceStorage, newFeedStorage, newDevelopment, newProduction, customTopic]
  }
]

module peopleRoles 'modules/roles.bicep' = [
  for i in range(0, length(people) * length(groups)): {
    name: 'people-roles-${i}'
    scope: resourceGroup(groups[i % length(groups)].name)
    params: {
      identity: people[i / length(groups)].identity
      principalId: people[i / length(groups)].id
      principalType: people[i / length(groups)].type
      scopes: groups[i % length(groups)].scopes
    }
    dependsOn: [monitoring, serviceStorage, newFeedStorage, newDevelopment, newProduction, customTopic]
  }
]

module functionApp 'modules/function-app.bicep' = {
  name: 'function-app'
  scope: serviceGroup
  params: {
    name: names.functionApp
    planName: names.plan
    location: location
    tags: tags
    serviceName: 'service'
    identityId: identity.outputs.id
    packageContainerUrl: '${serviceStorage.outputs.blobEndpoint}${packageContainer}'
    pythonVersion: pythonVersion
    maximumInstances: maximumInstances
    httpConcurrency: httpConcurrency
    alwaysReady: alwaysReady
    subnetId: subnetId
    authClientId: authClientId
    values: {
      serviceStorage: names.serviceStorage
      clientId: identity.outputs.clientId
      insightsConnection: monitoring.outputs.connectionString
      insightsAuthentication: 'ClientId=${identity.outputs.clientId};Authorization=AAD'
      eventsEndpoint: customTopic.outputs.endpoint
      subscription: subscription().subscriptionId
      feedGroup: feedGroup
      feedStorage: feedStorage
      developmentGroup: developmentGroup
      development: development
      productionGroup: productionGroup
      production: production
    }
    notifyUrl: notifyUrl
  }
  dependsOn: [appRoles]
}

// azd keeps the outputs as environment variables: tidegate and the hooks of azure.yaml read them.
@description('Group of the feeds, a variable of tidegate.yml.')
output AZURE_RESOURCE_GROUP string = feedGroup

@description('Storage account of the feeds, a variable of tidegate.yml.')
output AZURE_STORAGE_ACCOUNT string = feedStorage

@description('Group of the development workspace, a variable of tidegate.yml.')
output AZURE_RESOURCE_GROUP_DEVELOPMENT string = developmentGroup

@description('Development workspace, a variable of tidegate.yml.')
output AZUREML_WORKSPACE_DEVELOPMENT string = development

@description('Group of the production workspace, a variable of tidegate.yml.')
output AZURE_RESOURCE_GROUP_PRODUCTION string = productionGroup

@description('Production workspace, a variable of tidegate.yml.')
output AZUREML_WORKSPACE_PRODUCTION string = production

@description('Storage account of the service.')
output TIDEGATE_STORAGE_ACCOUNT string = names.serviceStorage

@description('Group of the function app.')
output TIDEGATE_RESOURCE_GROUP string = names.serviceGroup

@description('Name of the function app.')
output TIDEGATE_FUNCTION_APP string = names.functionApp

@description('Address of the function app.')
output FUNCTIONS_URL string = 'https://${functionApp.outputs.hostName}'

@description('Address of the topic of the service.')
output TIDEGATE_EVENTS_ENDPOINT string = customTopic.outputs.endpoint
