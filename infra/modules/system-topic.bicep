// The system topic of a source. A source has at most one, so an existing topic can be named instead.

@description('Name of the topic to make.')
param name string

@description('Name of the existing topic of the source. It needs a system-assigned identity. Empty: make one.')
param existingName string

@description('Id of the source.')
param sourceId string

@description('Type of the topic.')
@allowed(['Microsoft.Storage.StorageAccounts', 'Microsoft.MachineLearningServices.Workspaces'])
param topicType string

@description('Region of the source, which is the region of the topic, too.')
param location string

@description('Tags of the topic.')
param tags object

@description('Name of the group that has the container of dead letters.')
param deadLetterGroup string

@description('Name of the container of dead letters: account/default/container.')
param deadLetterContainer string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (empty(existingName)) {
  name: name
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: sourceId
    topicType: topicType
  }
}

resource existingTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = if (!empty(existingName)) {
  name: existingName
}

module roles 'roles.bicep' = {
  name: 'roles-${name}'
  scope: resourceGroup(deadLetterGroup)
  params: {
    identity: 'event-grid'
    principalId: empty(existingName) ? topic!.identity.principalId : existingTopic!.identity.principalId
    scopes: { 'dead-letters': deadLetterContainer }
  }
}
