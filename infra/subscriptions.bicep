// The event subscriptions of the service. Deploy them after the code: a subscription to a function that does not exist fails.
targetScope = 'subscription'

import { resourceNames } from 'names.bicep'

@description('Name of the environment, as in main.bicep.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Region, as in main.bicep.')
param location string

@description('Group of the storage account in which files arrive.')
param feedGroup string = resourceNames(subscription().subscriptionId, environmentName, location, '').serviceGroup

@description('Group of the development workspace.')
param developmentGroup string = resourceNames(subscription().subscriptionId, environmentName, location, '').developmentGroup

@description('Group of the production workspace.')
param productionGroup string = resourceNames(subscription().subscriptionId, environmentName, location, '').productionGroup

@description('Existing system topics, as in main.bicep.')
param existingTopics { storage: string?, development: string?, production: string? } = {}

var names = resourceNames(subscription().subscriptionId, environmentName, location, '')
var entries = loadYamlContent('subscriptions.yaml')
var topics = [
  { topic: 'storage', group: feedGroup, name: existingTopics.?storage ?? names.storageTopic }
  { topic: 'development', group: developmentGroup, name: existingTopics.?development ?? names.developmentTopic }
  { topic: 'production', group: productionGroup, name: existingTopics.?production ?? names.productionTopic }
]

module subscriptions 'modules/event-subscriptions.bicep' = [
  for topic in topics: {
    name: 'subscriptions-${topic.topic}'
    scope: resourceGroup(topic.group)
    params: {
      topicName: topic.name
      entries: filter(entries, entry => entry.topic == topic.topic)
      functionAppGroup: names.serviceGroup
      functionAppName: names.functionApp
      deadLetterAccountId: resourceId(
        subscription().subscriptionId,
        names.serviceGroup,
        'Microsoft.Storage/storageAccounts',
        names.serviceStorage
      )
    }
  }
]
