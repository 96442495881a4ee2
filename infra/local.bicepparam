// The installation that Tidepool runs.
using 'main.bicep'

param environmentName = 'local'
param location = 'japaneast'
param notifyUrl = ''
// Tidepool's principal `developer`, who runs tidegate on a workstation.
param deployerId = '9ffb38b4-deaa-57d3-ba9b-c3b41df2c000'
param developmentClusters = ['cpu', 'gpu-dedicated', 'gpu-lowpri']
// Tidepool's page of sign-in stands for this app registration.
param authClientId = '00000000-0000-4000-8000-00000000000c'
