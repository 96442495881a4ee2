// A virtual network for private storage: a subnet for the function app, one for private endpoints, and the names of the
// endpoints. Deploy it into the group of the service, then main.bicep with subnetId and publicNetworkAccess: 'Disabled'.
// Event Grid stays outside: it writes dead letters as a trusted service (`bypass` in modules/storage.bicep), and the
// function app stays reachable for its deliveries.

@description('Name of the network.')
param name string

@description('Region of the network: that of the function app.')
param location string = resourceGroup().location

@description('Tags of all of it.')
param tags object = {}

@description('Addresses of the network.')
param addressPrefix string = '10.50.0.0/22'

@description('Addresses of the function app. Flex Consumption needs /27 for 100 instances or more.')
param appPrefix string = '10.50.0.0/24'

@description('Addresses of the private endpoints.')
param endpointPrefix string = '10.50.1.0/24'

@description('What gets a private endpoint: blob, queue, table and file of storage accounts, vault of vaults, registry of container registries, amlworkspace of Azure ML workspaces.')
param endpoints { name: string, resourceId: string, part: part }[]

@description('End of the names of storage accounts. The compiler knows environment() only in Azure, too late for loops.')
#disable-next-line no-hardcoded-env-urls
param storageSuffix string = 'core.windows.net'

type part = 'blob' | 'queue' | 'table' | 'file' | 'vault' | 'registry' | 'amlworkspace'

// https://learn.microsoft.com/azure/private-link/private-endpoint-dns
var zonesOf = {
  blob: ['privatelink.blob.${storageSuffix}']
  queue: ['privatelink.queue.${storageSuffix}']
  table: ['privatelink.table.${storageSuffix}']
  file: ['privatelink.file.${storageSuffix}']
  vault: ['privatelink.vaultcore.azure.net']
  registry: ['privatelink.azurecr.io']
  amlworkspace: ['privatelink.api.azureml.ms', 'privatelink.notebooks.azure.net']
}
var zones = union(flatten(map(endpoints, endpoint => zonesOf[endpoint.part])), [])

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: appPrefix
          delegations: [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'endpoints'
        properties: { addressPrefix: endpointPrefix, privateEndpointNetworkPolicies: 'Disabled' }
      }
    ]
  }

  resource app 'subnets' existing = { name: 'app' }

  resource inner 'subnets' existing = { name: 'endpoints' }
}

resource dns 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in zones: {
    name: zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, i) in zones: {
    parent: dns[i]
    name: name
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: { id: network.id }
    }
  }
]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [
  for endpoint in endpoints: {
    name: 'pe-${endpoint.name}'
    location: location
    tags: tags
    properties: {
      subnet: { id: network::inner.id }
      privateLinkServiceConnections: [
        {
          name: endpoint.name
          // The ids are parameters, which the linter does not see in a loop.
          #disable-next-line use-resource-id-functions
          properties: { privateLinkServiceId: endpoint.resourceId, groupIds: [endpoint.part] }
        }
      ]
    }
  }
]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [
  for (endpoint, i) in endpoints: {
    parent: privateEndpoints[i]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        for zone in zonesOf[endpoint.part]: {
          name: replace(zone, '.', '-')
          properties: { privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', zone) }
        }
      ]
    }
    dependsOn: [dns]
  }
]

@description('The subnet of the function app: subnetId of main.bicep.')
output subnetId string = network::app.id
