// Role assignments on one resource group.
@description('Each { principalId, roleDefinitionId }.')
param assignments array

resource roles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for assignment in assignments: {
  name: guid(resourceGroup().id, assignment.principalId, assignment.roleDefinitionId)
  properties: {
    principalId: assignment.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: assignment.roleDefinitionId
  }
}]
