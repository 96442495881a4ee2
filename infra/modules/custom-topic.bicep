// The topic to which the service publishes its own events.

@description('Name of the topic.')
param name string

@description('Region of the topic.')
param location string

@description('Tags of the topic.')
param tags object

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  properties: {
    inputSchema: 'EventGridSchema'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
  }
}

@description('Address to which events are sent.')
output endpoint string = topic.properties.endpoint
