// The roles of one identity at the resources of one resource group, as ../roles.yaml says.

@description('Name of the identity in roles.yaml.')
param identity string

@description('Object id of the identity.')
param principalId string

@description('Kind of the identity. Without it, Azure looks for a new identity for minutes, and does not find it.')
@allowed(['ServicePrincipal', 'User', 'Group'])
param principalType string = 'ServicePrincipal'

@description('Names of resources in this group, by the name that their scope has in roles.yaml.')
param scopes object

var file = loadYamlContent('../roles.yaml')
var assignments = map(
  filter(
    file.assignments,
    item => item.identity == identity && contains(scopes, item.scope) && !contains(item, 'assigned_by')
  ),
  item => {
    resource: scopes[item.scope]
    type: file.scopes[item.scope].type
    role: file.roles[item.role]
    why: item.why
  }
)

var atAccounts = filter(assignments, item => item.type == 'Microsoft.Storage/storageAccounts')
resource accounts 'Microsoft.Storage/storageAccounts@2026-04-01' existing = [
  for item in atAccounts: { name: item.resource }
]
resource accountRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (item, i) in atAccounts: {
    scope: accounts[i]
    name: guid(accounts[i].id, principalId, item.role)
    properties: {
      principalId: principalId
      principalType: principalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
      description: item.why
    }
  }
]

var atContainers = filter(assignments, item => item.type == 'Microsoft.Storage/storageAccounts/blobServices/containers')
resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' existing = [
  for item in atContainers: { name: item.resource }
]
resource containerRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (item, i) in atContainers: {
    scope: containers[i]
    name: guid(containers[i].id, principalId, item.role)
    properties: {
      principalId: principalId
      principalType: principalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
      description: item.why
    }
  }
]

var atWorkspaces = filter(assignments, item => item.type == 'Microsoft.MachineLearningServices/workspaces')
resource workspaces 'Microsoft.MachineLearningServices/workspaces@2025-12-01' existing = [
  for item in atWorkspaces: { name: item.resource }
]
resource workspaceRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (item, i) in atWorkspaces: {
    scope: workspaces[i]
    name: guid(workspaces[i].id, principalId, item.role)
    properties: {
      principalId: principalId
      principalType: principalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
      description: item.why
    }
  }
]

var atRegistries = filter(assignments, item => item.type == 'Microsoft.ContainerRegistry/registries')
resource registries 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = [
  for item in atRegistries: { name: item.resource }
]
resource registryRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (item, i) in atRegistries: {
    scope: registries[i]
    name: guid(registries[i].id, principalId, item.role)
    properties: {
      principalId: principalId
      principalType: principalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
      description: item.why
    }
  }
]

var atTopics = filter(assignments, item => item.type == 'Microsoft.EventGrid/topics')
resource topics 'Microsoft.EventGrid/topics@2025-02-15' existing = [for item in atTopics: { name: item.resource }]
resource topicRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (item, i) in atTopics: {
    scope: topics[i]
    name: guid(topics[i].id, principalId, item.role)
    properties: {
      principalId: principalId
      principalType: principalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
      description: item.why
    }
  }
]

var atInsights = filter(assignments, item => item.type == 'Microsoft.Insights/components')
resource insights 'Microsoft.Insights/components@2020-02-02' existing = [
  for item in atInsights: { name: item.resource }
]
resource componentRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (item, i) in atInsights: {
    scope: insights[i]
    name: guid(insights[i].id, principalId, item.role)
    properties: {
      principalId: principalId
      principalType: principalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
      description: item.why
    }
  }
]

var atMachineLearningRegistries = filter(
  assignments,
  item => item.type == 'Microsoft.MachineLearningServices/registries'
)
resource machineLearningRegistries 'Microsoft.MachineLearningServices/registries@2025-12-01' existing = [
  for item in atMachineLearningRegistries: { name: item.resource }
]
resource machineLearningRegistryRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (item, i) in atMachineLearningRegistries: {
    scope: machineLearningRegistries[i]
    name: guid(machineLearningRegistries[i].id, principalId, item.role)
    properties: {
      principalId: principalId
      principalType: principalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
      description: item.why
    }
  }
]
