// The function app on Flex Consumption. Runtime, scale and package are in functionAppConfig: Flex refuses the settings
// that other plans have for them (FUNCTIONS_WORKER_RUNTIME, FUNCTIONS_EXTENSION_VERSION, WEBSITE_RUN_FROM_PACKAGE).

@description('Name of the function app.')
param name string

@description('Name of its plan.')
param planName string

@description('Region of both.')
param location string

@description('Tags of both.')
param tags object

@description('Name of the service in azure.yaml.')
param serviceName string

@description('Id of its identity.')
param identityId string

@description('Address of the container of its package.')
param packageContainerUrl string

@description('Python of the package: `make package PYTHON=3.12`.')
@allowed(['3.11', '3.12'])
param pythonVersion string

@description('Most instances.')
@minValue(40)
@maxValue(1000)
param maximumInstances int

@description('How many HTTP requests an instance answers at a time.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int

@description('Instances that never stop: name is `http`, or `function:` and the name of a function.')
param alwaysReady { name: string, instanceCount: int }[]

@description('Id of a subnet that is delegated to Microsoft.App/environments. Empty: no virtual network.')
param subnetId string

@description('Client id of the app registration with which people sign in. Empty: App Service authentication is off.')
param authClientId string

@description('Values of the settings in app-settings.yaml, by the name that the file gives them.')
param values object

@description('Apprise URL to which people are notified.')
@secure()
param notifyUrl string

var settings = loadYamlContent('../app-settings.yaml')

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': serviceName })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: { name: 'python', version: pythonVersion }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: maximumInstances
        alwaysReady: alwaysReady
        triggers: { http: { perInstanceConcurrency: httpConcurrency } }
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      appSettings: [
        for setting in settings: {
          name: setting.name
          value: contains(setting, 'from')
            ? values[setting.from]
            : contains(setting, 'secret') ? notifyUrl : setting.value
        }
      ]
    }
  }
}

// Publishing with a user name and a password is off. azd and the command line publish as the person who is signed in.
resource ftpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource scmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

// Requests without a sign-in pass, because Event Grid has none. The service itself asks for keys or for a person.
resource authentication 'Microsoft.Web/sites/config@2025-03-01' = if (!empty(authClientId)) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true }
    globalValidation: {
      requireAuthentication: false
      unauthenticatedClientAction: 'AllowAnonymous'
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: authClientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: { allowedAudiences: ['api://${authClientId}', authClientId] }
      }
    }
  }
}

@description('Host name of the function app.')
output hostName string = app.properties.defaultHostName
