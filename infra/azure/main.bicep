// Blockferry in Azure: one resource group with the control plane, a data proxy in each region of protected VMs, and in each
// protected subscription a resource group for snapshots with the custom roles on it. `azd up` deploys this file.
//
// No secret is made or stored: storage has no shared keys, every connection is an identity, AWS is reached by federation.
targetScope = 'subscription'

@minLength(3)
@maxLength(12)
@description('Name of this installation; part of every resource name.')
param environmentName string

@description('Region of the control plane.')
param location string

@description('Name of the tenant in the repository: lower-case letters, digits and hyphens. It cannot be changed later.')
param repositoryTenant string

@description('Regions with VMs to protect. Each gets a data proxy of its own.')
param regions array = [location]

@description('Ids of the subscriptions with VMs to protect.')
param protectedSubscriptions array = [subscription().subscriptionId]

@description('Name of the resource group for snapshots, made in each protected subscription.')
param snapshotGroupName string = 'blockferry-snapshots'

@description('Names of existing resource groups that restores may write to, in the protected subscriptions.')
param restoreGroupNames array = []

@description('Region of the buckets.')
param awsRegion string

@description('Application ID URI of the federation app: the audience that the AWS OIDC provider trusts.')
param awsAudience string

@description('ARN of the AWS role for each identity, as infra/aws gives them.')
param awsRoleArns object

@description('Bucket for packs, manifests and restore points.')
param dataBucket string

@description('Bucket for sessions and the state of the collector.')
param controlBucket string

@description('Default retention of the data bucket in days, as LockDays of the AWS template. 0: the bucket has no locks.')
param lockDays int = 30

@description('functions: each region has a function app as its data proxy. scale-set: virtual machines, raised from zero and lowered to zero.')
@allowed(['functions', 'scale-set'])
param fleet string = 'functions'

@description('Where the scale set finds the archive that `npm run package` makes. Needed by the fleet scale-set.')
param dataProxyArchiveUrl string = ''

@description('SHA-256 of that archive, in hex. A machine that finds other bytes does not start.')
param dataProxyArchiveSha256 string = ''

@description('SSH public key of the scale set\'s machines; nobody can reach them from outside.')
param scaleSetSshPublicKey string = ''

@description('Puts storage, vault and apps into a virtual network with private endpoints.')
param vnetEnabled bool = false

@description('Client id of the app registration that callers of the API get tokens for.')
param apiClientId string

@description('What callers may see, by object id: ID=/subscriptions/ID/resourceGroups/NAME;*=all. Empty: everybody sees everything.')
param callerScopes string = ''

@description('Hash of the tenant\'s root key, printed when it is made. Empty until then.')
param rootKeyCheck string = ''

@description('Memory of a function instance.')
@allowed([2048, 4096])
param instanceMemoryMB int = 4096

@description('Keeps the durable state in this Durable Task Scheduler (endpoint URL) instead of the storage account. Empty: the storage account.')
param durableTaskSchedulerEndpoint string = ''

@description('Object id of a person or group who may read the durable state and logs while setting up. Empty: nobody.')
param operatorPrincipalId string = ''

var tags = { 'azd-env-name': environmentName, product: 'blockferry' }
var suffix = take(uniqueString(subscription().id, environmentName, location), 6)

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identities 'modules/identities.bicep' = {
  name: 'identities'
  scope: group
  params: { environmentName: environmentName, location: location, tags: tags }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    environmentName: environmentName
    location: location
    tags: tags
    publishers: [identities.outputs.control.principalId, identities.outputs.dataProxy.principalId]
    readerPrincipalId: operatorPrincipalId
  }
}

module network 'modules/network.bicep' = if (vnetEnabled || fleet == 'scale-set') {
  name: 'network'
  scope: group
  params: { environmentName: environmentName, location: location, tags: tags, regions: regions }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'st${replace(environmentName, '-', '')}${suffix}'
    location: location
    tags: tags
    regions: regions
    controlPrincipalId: identities.outputs.control.principalId
    dataProxyPrincipalId: identities.outputs.dataProxy.principalId
    operatorPrincipalId: operatorPrincipalId
    privateSubnetId: vnetEnabled ? network!.outputs.endpointSubnetId : ''
    vnetId: vnetEnabled ? network!.outputs.vnetId : ''
  }
}

module vault 'modules/key-vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    name: 'kv-${take(environmentName, 12)}-${suffix}'
    location: location
    tags: tags
    keyName: repositoryTenant
    wrapperPrincipalIds: [
      identities.outputs.control.principalId
      identities.outputs.dataProxy.principalId
    ]
    workspaceId: monitoring.outputs.workspaceId
    privateSubnetId: vnetEnabled ? network!.outputs.endpointSubnetId : ''
    vnetId: vnetEnabled ? network!.outputs.vnetId : ''
  }
}

// What both planes are told. `local.settings.sample.json` names the same settings; a test compares.
var productSettings = {
  BLOCKFERRY_TENANT: repositoryTenant
  BLOCKFERRY_SUBSCRIPTIONS: join(protectedSubscriptions, ',')
  BLOCKFERRY_REGIONS: join(regions, ',')
  BLOCKFERRY_SNAPSHOT_GROUP: snapshotGroupName
  BLOCKFERRY_QUEUE_ENDPOINT: storage.outputs.queueEndpoint
  BLOCKFERRY_TABLE_ENDPOINT: storage.outputs.tableEndpoint
  BLOCKFERRY_ARM_ENDPOINT: substring(environment().resourceManager, 0, length(environment().resourceManager) - 1)
  BLOCKFERRY_ARM_AUDIENCE: substring(environment().resourceManager, 0, length(environment().resourceManager) - 1)
  BLOCKFERRY_AUTH: 'entra'
  BLOCKFERRY_AUTH_AUTHORITY: substring(environment().authentication.loginEndpoint, 0, length(environment().authentication.loginEndpoint) - 1)
  BLOCKFERRY_AUTH_TENANT: tenant().tenantId
  BLOCKFERRY_AUTH_AUDIENCE: apiClientId
  BLOCKFERRY_CALLER_SCOPES: callerScopes
  BLOCKFERRY_AWS_AUDIENCE: awsAudience
  AWS_REGION: awsRegion
  BLOCKFERRY_WRITER_ROLE_ARN: awsRoleArns.writer
  BLOCKFERRY_READER_ROLE_ARN: awsRoleArns.reader
  BLOCKFERRY_COLLECTOR_ROLE_ARN: awsRoleArns.collector
  BLOCKFERRY_KEEPER_ROLE_ARN: awsRoleArns.keeper
  BLOCKFERRY_CATALOGUE_ROLE_ARN: awsRoleArns.catalogue
  BLOCKFERRY_LOCK_DAYS: lockDays == 0 ? '' : string(lockDays)
  BLOCKFERRY_DATA_BUCKET: dataBucket
  BLOCKFERRY_CONTROL_BUCKET: controlBucket
  BLOCKFERRY_KEY_VAULT_KEY: vault.outputs.keyUri
  BLOCKFERRY_ROOT_KEY_CHECK: rootKeyCheck
  BLOCKFERRY_FLEET: fleet
}

module control 'modules/function-app.bicep' = {
  name: 'control'
  scope: group
  params: {
    name: 'func-${environmentName}-${suffix}'
    location: location
    tags: union(tags, { 'azd-service-name': 'control' })
    identityId: identities.outputs.control.id
    identityClientId: identities.outputs.control.clientId
    otherIdentityIds: [identities.outputs.collector.id, identities.outputs.keeper.id]
    hostStorageName: storage.outputs.name
    queueStorageName: storage.outputs.name
    deploymentContainerUrl: '${storage.outputs.blobEndpoint}${storage.outputs.controlContainerName}'
    insightsConnectionString: monitoring.outputs.connectionString
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: 40
    subnetId: vnetEnabled ? network!.outputs.appSubnetIds[location] : ''
    settings: union(productSettings, {
      BLOCKFERRY_SERVES: 'control'
      BLOCKFERRY_IDENTITY_CLIENT_ID: identities.outputs.control.clientId
      BLOCKFERRY_COLLECTOR_CLIENT_ID: identities.outputs.collector.clientId
      BLOCKFERRY_KEEPER_CLIENT_ID: identities.outputs.keeper.clientId
      BLOCKFERRY_SCALE_SETS: fleet == 'scale-set' ? join(map(range(0, length(regions)), i => '${regions[i]}=${resourceId(subscription().subscriptionId, group.name, 'Microsoft.Compute/virtualMachineScaleSets', 'vmss-${environmentName}-${regions[i]}')}'), ';') : ''
      BLOCKFERRY_TASK_HUB: 'blockferry'
      BLOCKFERRY_SCHEDULE: '0 * * * * *'
      BLOCKFERRY_JANITOR_SCHEDULE: '30 */5 * * * *'
      BLOCKFERRY_KEEPER_SCHEDULE: '0 17 * * * *'
      BLOCKFERRY_RETENTION_SCHEDULE: '0 30 5 * * *'
    })
    durableTaskSchedulerEndpoint: durableTaskSchedulerEndpoint
  }
}

module dataProxies 'modules/function-app.bicep' = [for region in regions: if (fleet == 'functions') {
  name: 'data-proxy-${region}'
  scope: group
  params: {
    name: 'func-${environmentName}-${region}-${suffix}'
    location: region
    tags: union(tags, { 'blockferry-data-proxy': region })
    identityId: identities.outputs.dataProxy.id
    identityClientId: identities.outputs.dataProxy.clientId
    hostStorageName: storage.outputs.hostAccountName
    queueStorageName: storage.outputs.name
    deploymentContainerUrl: '${storage.outputs.blobEndpoint}${storage.outputs.dataProxyContainerName}'
    insightsConnectionString: monitoring.outputs.connectionString
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: 40
    subnetId: vnetEnabled ? network!.outputs.appSubnetIds[region] : ''
    settings: union(productSettings, {
      BLOCKFERRY_SERVES: 'data-proxy'
      BLOCKFERRY_REGION: region
      BLOCKFERRY_IDENTITY_CLIENT_ID: identities.outputs.dataProxy.clientId
      BLOCKFERRY_TASK_HUB: 'blockferry'
      BLOCKFERRY_SCHEDULE: '0 * * * * *'
      BLOCKFERRY_JANITOR_SCHEDULE: '30 */5 * * * *'
      BLOCKFERRY_KEEPER_SCHEDULE: '0 17 * * * *'
      BLOCKFERRY_RETENTION_SCHEDULE: '0 30 5 * * *'
    })
    durableTaskSchedulerEndpoint: ''
  }
}]

module scaleSets 'modules/scale-set.bicep' = [for region in regions: if (fleet == 'scale-set') {
  name: 'scale-set-${region}'
  scope: group
  params: {
    name: 'vmss-${environmentName}-${region}'
    location: region
    tags: tags
    identityId: identities.outputs.dataProxy.id
    controlPrincipalId: identities.outputs.control.principalId
    subnetId: network!.outputs.scaleSetSubnetIds[region]
    sshPublicKey: scaleSetSshPublicKey
    archiveUrl: dataProxyArchiveUrl
    archiveSha256: dataProxyArchiveSha256
    settings: union(productSettings, {
      BLOCKFERRY_REGION: region
      BLOCKFERRY_IDENTITY_CLIENT_ID: identities.outputs.dataProxy.clientId
    })
  }
}]

module protection 'modules/protected-subscription.bicep' = [for id in protectedSubscriptions: {
  name: 'protection-${environmentName}'
  scope: subscription(id)
  params: {
    environmentName: environmentName
    location: location
    tags: tags
    snapshotGroupName: snapshotGroupName
    restoreGroupNames: restoreGroupNames
    controlPrincipalId: identities.outputs.control.principalId
    dataProxyPrincipalId: identities.outputs.dataProxy.principalId
  }
}]

output AZURE_RESOURCE_GROUP string = group.name
output BLOCKFERRY_API_URL string = 'https://${control.outputs.hostName}/api'
output BLOCKFERRY_DATA_PROXY_APPS array = [for (region, i) in regions: fleet == 'functions' ? dataProxies[i]!.outputs.name : '']
// For infra/aws: who may assume which role. Tokens of managed identities are of version 1.0: their issuer is not the authority.
output AWS_TRUSTED_ISSUER string = 'https://${environment().name == 'AzureChinaCloud' ? 'sts.chinacloudapi.cn' : 'sts.windows.net'}/${tenant().tenantId}/'
output AWS_TRUSTED_SUBJECTS object = {
  control: identities.outputs.control.principalId
  dataProxy: identities.outputs.dataProxy.principalId
  collector: identities.outputs.collector.principalId
  keeper: identities.outputs.keeper.principalId
}
output BLOCKFERRY_API_CLIENT_ID string = apiClientId
