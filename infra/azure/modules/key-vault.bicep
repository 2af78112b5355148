// The vault whose key wraps the tenant's root key. Purge protection: nobody, not even an owner of the subscription, can
// destroy the key within 90 days of deleting it.
param name string
param location string
param tags object
param keyName string

@description('Principals that wrap and unwrap.')
param wrapperPrincipalIds array

@description('Log Analytics workspace that keeps a record of each use of the key.')
param workspaceId string

@description('Empty: reached over the internet, by identities.')
param privateSubnetId string
param vnetId string

var cryptoServiceEncryptionUser = 'e147488a-f6f5-4113-8e2d-b22465e65bf6'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: take(name, 24)
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: empty(privateSubnetId) ? 'Enabled' : 'Disabled'
    networkAcls: { defaultAction: empty(privateSubnetId) ? 'Allow' : 'Deny', bypass: 'None' }
  }
}

resource key 'Microsoft.KeyVault/vaults/keys@2023-07-01' = {
  parent: vault
  name: keyName
  properties: {
    kty: 'RSA'
    keySize: 3072
    keyOps: ['wrapKey', 'unwrapKey']
  }
}

resource wrap 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in wrapperPrincipalIds: {
  name: guid(key.id, principalId, cryptoServiceEncryptionUser)
  scope: key
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', cryptoServiceEncryptionUser)
  }
}]

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'audit', enabled: true }]
  }
}

module endpoint 'private-endpoint.bicep' = if (!empty(privateSubnetId)) {
  name: 'endpoint-vault'
  params: {
    name: 'pe-${vault.name}'
    location: location
    tags: tags
    targetId: vault.id
    groupId: 'vault'
    zoneName: 'privatelink${replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')}'
    subnetId: privateSubnetId
    vnetId: vnetId
  }
}

// Without a version: a rotated key is found by itself.
output keyUri string = key.properties.keyUri
