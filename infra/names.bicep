// The names of all resources of one installation. main.bicep, subscriptions.bicep and network.bicep derive the same names.

@export()
@description('Names that are unique in Azure, derived from the subscription, the environment and its region.')
func resourceNames(subscriptionId string, environmentName string, location string, suffix string) resourceNamesOf =>
  namesWith(environmentName, uniqueString(subscriptionId, environmentName, location), suffix)

func namesWith(environmentName string, token string, suffix string) resourceNamesOf => {
  serviceGroup: 'rg-${environmentName}-service'
  developmentGroup: 'rg-${environmentName}-development'
  productionGroup: 'rg-${environmentName}-production'
  identity: 'id-${token}'
  plan: 'plan-${token}'
  functionApp: 'func-${token}'
  serviceStorage: 'st${token}'
  feedStorage: 'stfeed${token}'
  logWorkspace: 'log-${token}'
  insights: 'appi-${token}'
  actionGroup: 'ag-${token}'
  customTopic: 'evgt-${token}'
  storageTopic: 'evgst-feed-${token}'
  developmentTopic: 'evgst-dev-${token}'
  productionTopic: 'evgst-prod-${token}'
  development: 'mlw-dev-${token}${suffix}'
  developmentStorage: 'stdev${token}'
  developmentVault: 'kv-dev-${token}${suffix}'
  developmentRegistry: 'crdev${token}'
  developmentInsights: 'appi-dev-${token}'
  production: 'mlw-prod-${token}${suffix}'
  productionStorage: 'stprod${token}'
  productionVault: 'kv-prod-${token}${suffix}'
  productionRegistry: 'crprod${token}'
  productionInsights: 'appi-prod-${token}'
}

type resourceNamesOf = {
  serviceGroup: string
  developmentGroup: string
  productionGroup: string
  identity: string
  plan: string
  functionApp: string
  serviceStorage: string
  feedStorage: string
  logWorkspace: string
  insights: string
  actionGroup: string
  customTopic: string
  storageTopic: string
  developmentTopic: string
  productionTopic: string
  development: string
  developmentStorage: string
  developmentVault: string
  developmentRegistry: string
  developmentInsights: string
  production: string
  productionStorage: string
  productionVault: string
  productionRegistry: string
  productionInsights: string
}
