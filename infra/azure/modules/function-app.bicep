// A function app on the Flex Consumption plan. Everything it connects to, it connects to as its identity.
param name string
param location string
param tags object

@description('Resource id of the identity that the host and its connections use.')
param identityId string
param identityClientId string

@description('More identities that the app may act as.')
param otherIdentityIds array = []

@description('Storage account of the host: leases, keys, durable state.')
param hostStorageName string

@description('Storage account of the transfer queues.')
param queueStorageName string
param deploymentContainerUrl string
param insightsConnectionString string
param instanceMemoryMB int
param maximumInstanceCount int

@description('Empty: no virtual network.')
param subnetId string

@description('Settings of the product.')
param settings object

@description('Endpoint of a Durable Task Scheduler; empty: the durable state is in the host\'s storage account.')
param durableTaskSchedulerEndpoint string

var durableTaskScheduler = empty(durableTaskSchedulerEndpoint) ? {} : {
  DURABLE_TASK_SCHEDULER_CONNECTION_STRING: 'Endpoint=${durableTaskSchedulerEndpoint};Authentication=ManagedIdentity;ClientID=${identityClientId}'
  AzureFunctionsJobHost__extensions__durableTask__storageProvider__type: 'azureManaged'
  AzureFunctionsJobHost__extensions__durableTask__storageProvider__connectionStringName: 'DURABLE_TASK_SCHEDULER_CONNECTION_STRING'
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: toObject(union([identityId], otherIdentityIds), id => id, id => {})
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    keyVaultReferenceIdentity: identityId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: deploymentContainerUrl
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      runtime: { name: 'node', version: '24' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      cors: { allowedOrigins: [] }
    }
  }

  resource appSettings 'config' = {
    name: 'appsettings'
    properties: union(settings, durableTaskScheduler, {
      AzureWebJobsStorage__accountName: hostStorageName
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identityClientId
      BLOCKFERRY_STORAGE_CONNECTION__queueServiceUri: 'https://${queueStorageName}.queue.${environment().suffixes.storage}'
      BLOCKFERRY_STORAGE_CONNECTION__credential: 'managedidentity'
      BLOCKFERRY_STORAGE_CONNECTION__clientId: identityClientId
      APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
      FUNCTIONS_NODE_BLOCK_ON_ENTRY_POINT_ERROR: 'true'
      // Packs and frames live in shared memory; a small young generation keeps the process below its share.
      languageWorkers__node__arguments: '--max-semi-space-size=16'
    })
  }
}

// The publishing endpoints take identities, no passwords.
resource noFtp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource noScm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

output name string = app.name
output hostName string = app.properties.defaultHostName
