// The storage account of the control plane: queues of the regions, tables of the catalog, durable state, deployment packages.
// Identities only: shared keys are off, so no connection string exists that could leak.
param name string
param location string
param tags object

@description('Each has a queue of its own.')
param regions array

param controlPrincipalId string
param dataProxyPrincipalId string

@description('May look at the durable state; empty for nobody.')
param operatorPrincipalId string

@description('Empty: reached over the internet, by identities.')
param privateSubnetId string
param vnetId string

var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var queueDataMessageProcessor = '8a0f0c08-91a1-4084-bc3d-661d67233fed'
var queueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var tableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
var tableDataReader = '76199698-9eea-4c19-bc75-cec21354c6b6'

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: take(toLower(name), 24)
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_ZRS' }
  properties: {
    minimumTlsVersion: 'TLS1_2'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowCrossTenantReplication: false
    publicNetworkAccess: empty(privateSubnetId) ? 'Enabled' : 'Disabled'
    networkAcls: { defaultAction: empty(privateSubnetId) ? 'Allow' : 'Deny', bypass: 'None' }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource controlPackages 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'package-control'
}

resource dataProxyPackages 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'package-data-proxy'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource regionQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = [for region in regions: {
  parent: queues
  name: 'transfers-${region}'
}]

resource poisonQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = [for region in regions: {
  parent: queues
  name: 'transfers-${region}-poison'
}]

resource eventQueue 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queues
  name: 'transfer-events'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2023-05-01' = {
  parent: account
  name: 'default'
}

// The control plane keeps durable state here, so it owns the account's data.
resource controlRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in [blobDataOwner, queueDataContributor, tableDataContributor]: {
  name: guid(account.id, controlPrincipalId, role)
  scope: account
  properties: {
    principalId: controlPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

// A data proxy takes messages and reports; its host keeps leases and reads its package in a container of its own. It has no
// right on the tables: the catalog is not its business.
resource dataProxyQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in [queueDataMessageProcessor, queueDataMessageSender]: {
  name: guid(queues.id, dataProxyPrincipalId, role)
  scope: queues
  properties: {
    principalId: dataProxyPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

resource dataProxyPackageRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(dataProxyPackages.id, dataProxyPrincipalId, blobDataContributor)
  scope: dataProxyPackages
  properties: {
    principalId: dataProxyPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

// The Functions host of a data proxy keeps its own leases and keys in an account that is not the control plane's.
resource hostAccount 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: take('${toLower(name)}dp', 24)
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_ZRS' }
  properties: {
    minimumTlsVersion: 'TLS1_2'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowCrossTenantReplication: false
    publicNetworkAccess: empty(privateSubnetId) ? 'Enabled' : 'Disabled'
    networkAcls: { defaultAction: empty(privateSubnetId) ? 'Allow' : 'Deny', bypass: 'None' }
  }
}

resource hostRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in [blobDataOwner, queueDataContributor]: {
  name: guid(hostAccount.id, dataProxyPrincipalId, role)
  scope: hostAccount
  properties: {
    principalId: dataProxyPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

resource operatorRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(account.id, operatorPrincipalId, tableDataReader)
  scope: account
  properties: {
    principalId: operatorPrincipalId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataReader)
  }
}

module endpoints 'private-endpoint.bicep' = [for service in ['blob', 'queue', 'table']: if (!empty(privateSubnetId)) {
  name: 'endpoint-${service}'
  params: {
    name: 'pe-${account.name}-${service}'
    location: location
    tags: tags
    targetId: account.id
    groupId: service
    zoneName: 'privatelink.${service}.${environment().suffixes.storage}'
    subnetId: privateSubnetId
    vnetId: vnetId
  }
}]

module hostEndpoints 'private-endpoint.bicep' = [for service in ['blob', 'queue']: if (!empty(privateSubnetId)) {
  name: 'host-endpoint-${service}'
  // The zone is the same one; it is made with the first endpoint.
  dependsOn: [endpoints]
  params: {
    name: 'pe-${hostAccount.name}-${service}'
    location: location
    tags: tags
    targetId: hostAccount.id
    groupId: service
    zoneName: 'privatelink.${service}.${environment().suffixes.storage}'
    subnetId: privateSubnetId
    vnetId: vnetId
  }
}]

output name string = account.name
output hostAccountName string = hostAccount.name
output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output tableEndpoint string = account.properties.primaryEndpoints.table
output controlContainerName string = controlPackages.name
output dataProxyContainerName string = dataProxyPackages.name
