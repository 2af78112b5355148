// One identity for each thing that may be done, so that a stolen token does one thing. The object ids are the `sub` of the
// tokens that AWS trusts: infra/aws names them role by role.
param environmentName string
param location string
param tags object

resource control 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${environmentName}-control'
  location: location
  tags: tags
}

resource dataProxy 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${environmentName}-data-proxy'
  location: location
  tags: tags
}

resource collector 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${environmentName}-collector'
  location: location
  tags: tags
}

resource keeper 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${environmentName}-keeper'
  location: location
  tags: tags
}

output control object = {
  id: control.id
  clientId: control.properties.clientId
  principalId: control.properties.principalId
}
output dataProxy object = {
  id: dataProxy.id
  clientId: dataProxy.properties.clientId
  principalId: dataProxy.properties.principalId
}
output collector object = {
  id: collector.id
  clientId: collector.properties.clientId
  principalId: collector.properties.principalId
}
output keeper object = {
  id: keeper.id
  clientId: keeper.properties.clientId
  principalId: keeper.properties.principalId
}
