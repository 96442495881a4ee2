using 'synapse.bicep'

param name = 'syn-sample'
param location = 'japaneast'
param lakeName = 'stsynsample'
param predictionsStorage = 'stdevsample'
param adminId = '00000000-0000-4000-8000-00000000000d'
