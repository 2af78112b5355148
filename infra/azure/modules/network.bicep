// One virtual network a region of apps, with subnets for apps (delegated), machines and private endpoints. Networks of other
// regions are peered with the control plane's, which holds the endpoints.
param environmentName string
param location string
param tags object
param regions array

var places = union([location], regions)

resource securityGroups 'Microsoft.Network/networkSecurityGroups@2024-05-01' = [for place in places: {
  name: 'nsg-${environmentName}-${place}'
  location: place
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'nothing-comes-in'
        properties: {
          priority: 4000
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: 'Internet'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}]

resource addresses 'Microsoft.Network/publicIPAddresses@2024-05-01' = [for place in places: {
  name: 'pip-${environmentName}-${place}'
  location: place
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}]

// One address a region that the buckets' policy can name as ours.
resource gateways 'Microsoft.Network/natGateways@2024-05-01' = [for (place, i) in places: {
  name: 'ng-${environmentName}-${place}'
  location: place
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIpAddresses: [{ id: addresses[i].id }] }
}]

resource vnets 'Microsoft.Network/virtualNetworks@2024-05-01' = [for (place, i) in places: {
  name: 'vnet-${environmentName}-${place}'
  location: place
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.${60 + i}.0.0/16'] }
    subnets: [
      {
        name: 'apps'
        properties: {
          addressPrefix: '10.${60 + i}.0.0/24'
          networkSecurityGroup: { id: securityGroups[i].id }
          natGateway: { id: gateways[i].id }
          delegations: [{ name: 'apps', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'machines'
        properties: {
          addressPrefix: '10.${60 + i}.1.0/24'
          networkSecurityGroup: { id: securityGroups[i].id }
          natGateway: { id: gateways[i].id }
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.${60 + i}.2.0/24'
          networkSecurityGroup: { id: securityGroups[i].id }
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}]

resource outward 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings@2024-05-01' = [for i in range(1, max(length(places) - 1, 0)): {
  name: '${vnets[0].name}/to-${places[i]}'
  properties: { remoteVirtualNetwork: { id: vnets[i].id }, allowForwardedTraffic: false, allowVirtualNetworkAccess: true }
}]

resource homeward 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings@2024-05-01' = [for i in range(1, max(length(places) - 1, 0)): {
  name: '${vnets[i].name}/to-${location}'
  properties: { remoteVirtualNetwork: { id: vnets[0].id }, allowForwardedTraffic: false, allowVirtualNetworkAccess: true }
}]

output vnetId string = vnets[0].id
output endpointSubnetId string = '${vnets[0].id}/subnets/endpoints'
output appSubnetIds object = toObject(range(0, length(places)), i => places[i], i => '${vnets[i].id}/subnets/apps')
output scaleSetSubnetIds object = toObject(range(0, length(places)), i => places[i], i => '${vnets[i].id}/subnets/machines')
output egressAddresses array = [for (place, i) in places: addresses[i].properties.ipAddress]
