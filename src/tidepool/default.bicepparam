// The names are those of default_resources.py.
using 'default.bicep'

param location = 'japaneast'
param groupName = 'rg-tidepool'
param storageName = 'tidepooldata'
param topicName = 'tidegate-events'
param registryName = 'tidepool-registry'
param workspaces = [
  { name: 'mlw-dev', storage: 'mlwdevstore', vault: 'kv-tidepool-dev' }
  { name: 'mlw-prod', storage: 'mlwprodstore', vault: 'kv-tidepool-prod' }
]
