// The compute clusters of a workspace, each with an identity and its roles.

@description('Name of the workspace.')
param workspaceName string

@description('Name of the cluster identities in roles.yaml.')
param identity string

@description('Names of the clusters to make. Each has a file in src/assets/compute, and a line in `files` below.')
param clusters string[]

@description('Region of the clusters.')
param location string

@description('Tags of the clusters.')
param tags object

@description('Names of the resources in this group, by the name that their scope has in roles.yaml.')
param scopes object

@description('Name of the group of the feeds.')
param feedGroup string

@description('Names of the resources in the group of the feeds, by the name that their scope has in roles.yaml.')
param feedScopes object

// The same files from which the service makes a missing cluster. The compiler reads only files with literal names.
var files = {
  cpu: loadYamlContent('../../src/assets/compute/cpu.yml')
  'gpu-dedicated': loadYamlContent('../../src/assets/compute/gpu-dedicated.yml')
  'gpu-lowpri': loadYamlContent('../../src/assets/compute/gpu-lowpri.yml')
}

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-12-01' existing = {
  name: workspaceName
}

resource computes 'Microsoft.MachineLearningServices/workspaces/computes@2025-12-01' = [
  for cluster in clusters: {
    parent: workspace
    name: cluster
    location: location
    tags: tags
    identity: { type: 'SystemAssigned' }
    properties: {
      computeType: 'AmlCompute'
      description: files[cluster].description
      disableLocalAuth: true
      properties: {
        vmSize: files[cluster].size
        vmPriority: files[cluster].tier == 'low_priority' ? 'LowPriority' : 'Dedicated'
        scaleSettings: {
          minNodeCount: files[cluster].min_instances
          maxNodeCount: files[cluster].max_instances
          nodeIdleTimeBeforeScaleDown: 'PT${files[cluster].idle_time_before_scale_down}S'
        }
        remoteLoginPortPublicAccess: 'Disabled'
      }
    }
  }
]

module roles 'roles.bicep' = [
  for (cluster, i) in clusters: {
    name: 'roles-${identity}-${cluster}'
    params: {
      identity: identity
      principalId: computes[i].identity.principalId
      scopes: scopes
    }
  }
]

module feedRoles 'roles.bicep' = [
  for (cluster, i) in clusters: {
    name: 'feed-roles-${identity}-${cluster}'
    scope: resourceGroup(feedGroup)
    params: {
      identity: identity
      principalId: computes[i].identity.principalId
      scopes: feedScopes
    }
  }
]
