// A sample: workspaces, storage account and system topics that are there already, in three regions, and a sign-in.
using 'main.bicep'

param environmentName = 'existing'
param location = 'japaneast'
param notifyUrl = ''
param scientistsId = '00000000-0000-4000-8000-00000000000e'
param authClientId = '00000000-0000-4000-8000-00000000000c'
param existingFeedStorage = { name: 'stimages', resourceGroup: 'rg-images', location: 'westeurope' }
param existingDevelopment = {
  name: 'mlw-training'
  resourceGroup: 'rg-training'
  location: 'eastus'
  storage: 'sttraining'
  registry: 'crtraining'
}
param existingProduction = {
  name: 'mlw-live'
  resourceGroup: 'rg-live'
  location: 'japaneast'
  storage: 'stlive'
  registry: 'crlive'
}
param existingTopics = { storage: 'evgst-images' }
