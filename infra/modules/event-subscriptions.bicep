// The event subscriptions of one system topic.

@description('Name of the system topic.')
param topicName string

@description('Entries of subscriptions.yaml.')
param entries object[]

@description('Group of the function app.')
param functionAppGroup string

@description('Name of the function app.')
param functionAppName string

@description('Id of the storage account that has the containers of dead letters.')
param deadLetterAccountId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource subscriptions 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = [
  for entry in entries: {
    parent: topic
    name: entry.name
    properties: {
      destination: {
        endpointType: 'AzureFunction'
        properties: {
          resourceId: resourceId(functionAppGroup, 'Microsoft.Web/sites/functions', functionAppName, entry.function)
          maxEventsPerBatch: entry.delivery.maxEventsPerBatch
          preferredBatchSizeInKilobytes: entry.delivery.preferredBatchSizeInKilobytes
        }
      }
      eventDeliverySchema: 'EventGridSchema'
      filter: entry.filter
      retryPolicy: entry.retryPolicy
      // Keys are off, so Event Grid writes as the system topic.
      deadLetterWithResourceIdentity: {
        identity: { type: 'SystemAssigned' }
        deadLetterDestination: {
          endpointType: 'StorageBlob'
          properties: {
            resourceId: deadLetterAccountId
            blobContainerName: entry.deadLetter
          }
        }
      }
    }
  }
]
