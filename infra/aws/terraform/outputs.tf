# For awsRoleArns of infra/azure.
output "role_arns" {
  value = { for name, role in aws_iam_role.blockferry : name => role.arn }
}
