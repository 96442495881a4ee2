// Where the service logs: a log workspace, and Application Insights on it.

@description('Name of the log workspace.')
param logWorkspaceName string

@description('Name of Application Insights.')
param insightsName string

@description('Region of both.')
param location string

@description('Tags of both.')
param tags object

@description('For how many days logs are kept.')
@minValue(30)
@maxValue(730)
param retentionDays int = 30

resource logs 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: logWorkspaceName
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: insightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logs.id
    // Without keys. The app sends with its identity: APPLICATIONINSIGHTS_AUTHENTICATION_STRING in app-settings.yaml.
    DisableLocalAuth: true
  }
}

@description('Id of the log workspace.')
output logWorkspaceId string = logs.id

@description('Where the app sends its log lines. It is no secret, because local authentication is off.')
output connectionString string = insights.properties.ConnectionString

@description('Id of Application Insights, which has the log lines.')
output insightsId string = insights.id
