// What a subscription with VMs to protect is given: a resource group for our snapshots and nothing else, and custom roles with
// exactly the actions that the product calls. infra/azure/permissions.json is the table; a test holds both against it.
targetScope = 'subscription'

param environmentName string
param location string
param tags object
param snapshotGroupName string
param restoreGroupNames array
param controlPrincipalId string
param dataProxyPrincipalId string

var permissions = loadJsonContent('../permissions.json')

resource snapshots 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: snapshotGroupName
  location: location
  tags: tags
}

resource observer 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, environmentName, 'observer')
  properties: {
    roleName: 'Blockferry ${environmentName} observer'
    description: 'Sees VMs and disks, and takes snapshots of disks into the snapshot group.'
    type: 'CustomRole'
    assignableScopes: [subscription().id]
    permissions: [{ actions: permissions.observer.actions, notActions: [], dataActions: permissions.observer.dataActions, notDataActions: [] }]
  }
}

resource snapshotter 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, environmentName, 'snapshotter')
  properties: {
    roleName: 'Blockferry ${environmentName} snapshotter'
    description: 'Makes and deletes snapshots, in the snapshot group.'
    type: 'CustomRole'
    assignableScopes: [subscription().id]
    permissions: [{ actions: permissions.snapshotter.actions, notActions: [], dataActions: permissions.snapshotter.dataActions, notDataActions: [] }]
  }
}

resource snapshotReader 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, environmentName, 'snapshot-reader')
  properties: {
    roleName: 'Blockferry ${environmentName} snapshot reader'
    description: 'Reads the data of snapshots in the snapshot group.'
    type: 'CustomRole'
    assignableScopes: [subscription().id]
    permissions: [{ actions: permissions.snapshotReader.actions, notActions: [], dataActions: permissions.snapshotReader.dataActions, notDataActions: [] }]
  }
}

resource restorer 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, environmentName, 'restorer')
  properties: {
    roleName: 'Blockferry ${environmentName} restorer'
    description: 'Makes disks and VMs, in the groups that restores may write to.'
    type: 'CustomRole'
    assignableScopes: [subscription().id]
    permissions: [{ actions: permissions.restorer.actions, notActions: [], dataActions: permissions.restorer.dataActions, notDataActions: [] }]
  }
}

resource observe 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, controlPrincipalId, observer.id)
  properties: { principalId: controlPrincipalId, principalType: 'ServicePrincipal', roleDefinitionId: observer.id }
}

module snapshotRoles 'group-roles.bicep' = {
  name: 'blockferry-snapshot-roles'
  scope: snapshots
  params: {
    assignments: [
      { principalId: controlPrincipalId, roleDefinitionId: snapshotter.id }
      { principalId: dataProxyPrincipalId, roleDefinitionId: snapshotReader.id }
    ]
  }
}

module restoreRoles 'group-roles.bicep' = [for (name, i) in restoreGroupNames: {
  name: 'blockferry-restore-roles-${i}'
  scope: resourceGroup(name)
  params: {
    assignments: [
      { principalId: controlPrincipalId, roleDefinitionId: restorer.id }
      { principalId: dataProxyPrincipalId, roleDefinitionId: restorer.id }
    ]
  }
}]
