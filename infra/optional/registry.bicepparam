using 'registry.bicep'

param name = 'mlr-sample'
param location = 'japaneast'
param appIdentityName = 'id-sample'
