// Data proxies of one region as virtual machines: none while there is nothing to move. The control plane raises the capacity
// and lowers it again; nobody can reach the machines from outside.
param name string
param location string
param tags object
param identityId string

@description('May set the capacity, and nothing else.')
param controlPrincipalId string
param subnetId string
param sshPublicKey string
param archiveUrl string
param archiveSha256 string

@description('Settings of the data proxy; written to a file on the machine.')
param settings object

@description('Two cores and eight gigabytes: one proxy keeps them busy.')
param vmSize string = 'Standard_D2as_v5'

var lines = map(items(settings), item => '      ${item.key}=${item.value}')
var cloudInit = replace(replace(replace(loadTextContent('../cloud-init.yaml'), '@ARCHIVE_URL@', archiveUrl), '@ARCHIVE_SHA256@', archiveSha256), '      @SETTINGS@', join(lines, '\n'))

resource scaleSet 'Microsoft.Compute/virtualMachineScaleSets@2024-07-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: vmSize, tier: 'Standard', capacity: 0 }
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    orchestrationMode: 'Uniform'
    overprovision: false
    upgradePolicy: { mode: 'Automatic' }
    virtualMachineProfile: {
      securityProfile: {
        securityType: 'TrustedLaunch'
        uefiSettings: { secureBootEnabled: true, vTpmEnabled: true }
      }
      storageProfile: {
        imageReference: { publisher: 'Debian', offer: 'debian-12', sku: '12-gen2', version: 'latest' }
        osDisk: { createOption: 'FromImage', caching: 'ReadOnly', managedDisk: { storageAccountType: 'StandardSSD_LRS' } }
      }
      osProfile: {
        computerNamePrefix: 'proxy'
        adminUsername: 'blockferry'
        customData: base64(cloudInit)
        linuxConfiguration: {
          disablePasswordAuthentication: true
          ssh: { publicKeys: [{ path: '/home/blockferry/.ssh/authorized_keys', keyData: sshPublicKey }] }
        }
      }
      networkProfile: {
        networkInterfaceConfigurations: [
          {
            name: 'nic'
            properties: {
              primary: true
              enableAcceleratedNetworking: true
              ipConfigurations: [{ name: 'ip', properties: { primary: true, subnet: { id: subnetId } } }]
            }
          }
        ]
      }
    }
  }
}

resource sizer 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, name, 'sizer')
  properties: {
    roleName: 'Blockferry sizer of ${name}'
    description: 'Sets the number of data proxies.'
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [{ actions: loadJsonContent('../permissions.json').sizer.actions, notActions: [], dataActions: [], notDataActions: [] }]
  }
}

resource size 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(scaleSet.id, controlPrincipalId, sizer.id)
  scope: scaleSet
  properties: { principalId: controlPrincipalId, principalType: 'ServicePrincipal', roleDefinitionId: sizer.id }
}
