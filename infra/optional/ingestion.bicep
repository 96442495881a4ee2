// A Data Factory that copies one month of a table into the feed's folder of that month, and then writes the marker that
// makes the partition complete. Deploy it into the group of the feeds. The factory's identity needs SELECT in the
// database: CREATE USER [<factory>] FROM EXTERNAL PROVIDER.

@description('Name of the factory, unique in Azure.')
@minLength(3)
@maxLength(63)
param name string

@description('Region of the factory.')
param location string = resourceGroup().location

@description('Tags of the factory.')
param tags object = {}

@description('Host name of the SQL server.')
param sqlServer string

@description('Name of the database.')
param sqlDatabase string

@description('Table with its schema.')
param table string

@description('Column with the time by which rows belong to a month.')
param timeColumn string

@description('Storage account of the feed, in this group.')
param feedStorage string

@description('Container of the feed.')
param container string

@description('Folder of a partition as a .NET date format: it fits `path` of the feed in tidegate.yml.')
param folderFormat string = 'yyyyMM'

@description('Name of the marker file, as in complete_when of the feed.')
param marker string = '_SUCCESS'

@description('Time zone of the schedule and of the months, by its Windows name.')
param timeZone string = 'UTC'

@description('First run, the day of the month and the time of day of all runs: 2026-12-01T02:00:00')
param firstRun string

resource storage 'Microsoft.Storage/storageAccounts@2026-04-01' existing = {
  name: feedStorage
}

resource factory 'Microsoft.DataFactory/factories@2018-06-01' = {
  name: name
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: { publicNetworkAccess: 'Enabled' }
}

module roles '../modules/roles.bicep' = {
  name: 'ingestion-roles'
  params: {
    identity: 'ingestion'
    principalId: factory.identity.principalId
    scopes: { 'feed-container': '${storage.name}/default/${container}' }
  }
}

resource database 'Microsoft.DataFactory/factories/linkedservices@2018-06-01' = {
  parent: factory
  name: 'database'
  properties: {
    type: 'AzureSqlDatabase'
    typeProperties: {
      server: sqlServer
      database: sqlDatabase
      encrypt: 'mandatory'
      authenticationType: 'SystemAssignedManagedIdentity'
    }
  }
}

resource files 'Microsoft.DataFactory/factories/linkedservices@2018-06-01' = {
  parent: factory
  name: 'files'
  properties: {
    type: 'AzureBlobStorage'
    typeProperties: {
      serviceEndpoint: storage.properties.primaryEndpoints.blob
      accountKind: 'StorageV2'
    }
  }
}

resource rows 'Microsoft.DataFactory/factories/datasets@2018-06-01' = {
  parent: factory
  name: 'rows'
  properties: {
    type: 'AzureSqlTable'
    linkedServiceName: { type: 'LinkedServiceReference', referenceName: database.name }
    typeProperties: {}
  }
}

resource partition 'Microsoft.DataFactory/factories/datasets@2018-06-01' = {
  parent: factory
  name: 'partition'
  properties: {
    type: 'Parquet'
    linkedServiceName: { type: 'LinkedServiceReference', referenceName: files.name }
    parameters: { folder: { type: 'String' } }
    typeProperties: {
      compressionCodec: 'snappy'
      location: {
        type: 'AzureBlobStorageLocation'
        container: container
        folderPath: { type: 'Expression', value: '@dataset().folder' }
        fileName: 'rows.parquet'
      }
    }
  }
}

resource pipeline 'Microsoft.DataFactory/factories/pipelines@2018-06-01' = {
  parent: factory
  name: 'copy-partition'
  properties: {
    description: 'Copy the rows from one time to another into a folder, then write the marker.'
    parameters: {
      from: { type: 'String' }
      to: { type: 'String' }
      folder: { type: 'String' }
    }
    activities: [
      {
        name: 'copy'
        type: 'Copy'
        inputs: [{ type: 'DatasetReference', referenceName: rows.name }]
        outputs: [
          {
            type: 'DatasetReference'
            referenceName: partition.name
            parameters: { folder: { type: 'Expression', value: '@pipeline().parameters.folder' } }
          }
        ]
        policy: { timeout: '0.12:00:00', retry: 2, retryIntervalInSeconds: 300 }
        typeProperties: {
          source: {
            type: 'AzureSqlSource'
            sqlReaderQuery: {
              type: 'Expression'
              value: 'SELECT * FROM ${table} WHERE ${timeColumn} >= \'@{pipeline().parameters.from}\' AND ${timeColumn} < \'@{pipeline().parameters.to}\''
            }
          }
          sink: { type: 'ParquetSink', storeSettings: { type: 'AzureBlobStorageWriteSettings' } }
        }
      }
      {
        name: 'marker'
        type: 'WebActivity'
        dependsOn: [{ activity: 'copy', dependencyConditions: ['Succeeded'] }]
        policy: { timeout: '0.00:10:00', retry: 3, retryIntervalInSeconds: 60 }
        typeProperties: {
          method: 'PUT'
          url: {
            type: 'Expression'
            value: '@concat(\'${storage.properties.primaryEndpoints.blob}${container}/\', pipeline().parameters.folder, \'/${marker}\')'
          }
          headers: { 'x-ms-blob-type': 'BlockBlob', 'x-ms-version': '2023-11-03' }
          body: 'complete'
          authentication: { type: 'MSI', resource: 'https://storage.azure.com/' }
        }
      }
    ]
  }
}

resource trigger 'Microsoft.DataFactory/factories/triggers@2018-06-01' = {
  parent: factory
  name: 'monthly'
  properties: {
    type: 'ScheduleTrigger'
    description: 'Copies the month before the one of the run. Start it in the studio, or with az datafactory trigger start.'
    typeProperties: {
      recurrence: { frequency: 'Month', interval: 1, startTime: firstRun, timeZone: timeZone }
    }
    pipelines: [
      {
        pipelineReference: { type: 'PipelineReference', referenceName: pipeline.name }
        parameters: {
          from: '@formatDateTime(addToTime(startOfMonth(convertFromUtc(trigger().scheduledTime, \'${timeZone}\')), -1, \'Month\'), \'yyyy-MM-dd\')'
          to: '@formatDateTime(startOfMonth(convertFromUtc(trigger().scheduledTime, \'${timeZone}\')), \'yyyy-MM-dd\')'
          folder: '@formatDateTime(addToTime(startOfMonth(convertFromUtc(trigger().scheduledTime, \'${timeZone}\')), -1, \'Month\'), \'${folderFormat}\')'
        }
      }
    ]
  }
}
