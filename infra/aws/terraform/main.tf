# Blockferry in AWS, for Terraform: what infra/aws/cloudformation/blockferry.yaml is for CloudFormation. The policies are files made
# from shared/rights; change the tables there, not the files.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40, < 7.0"
    }
  }
}

data "aws_partition" "current" {}
data "aws_caller_identity" "current" {}

locals {
  names = {
    Partition         = data.aws_partition.current.partition
    AccountId         = data.aws_caller_identity.current.account_id
    RepositoryTenant  = var.repository_tenant
    DataBucketName    = var.data_bucket_name
    ControlBucketName = var.control_bucket_name
    RolePrefix        = var.role_prefix
    IssuerHost        = var.issuer_host
    EntraTenantId     = var.entra_tenant_id
    Audience          = var.audience
    ControlObjectId   = var.control_object_id
    DataProxyObjectId = var.data_proxy_object_id
    CollectorObjectId = var.collector_object_id
    KeeperObjectId    = var.keeper_object_id
    EraserObjectId    = var.eraser_object_id
    AllowedNetworks   = var.allowed_networks
    LockCapDays       = var.lock_days + 5
    DeployerArn       = var.deployer_arn
    RescuerArn        = var.rescuer_arn
    ReplicaBucketArn  = var.replica_bucket_arn
  }
  roles        = toset(concat(["writer", "reader", "collector", "keeper", "catalogue"], var.eraser_object_id == "" ? [] : ["eraser"]))
  has_replica  = var.replica_bucket_arn != ""
  bucket_names = { data = var.data_bucket_name, control = var.control_bucket_name }
}

# One account has one provider for each Entra tenant.
resource "aws_iam_openid_connect_provider" "entra" {
  count          = var.create_oidc_provider ? 1 : 0
  url            = "https://${var.issuer_host}/${var.entra_tenant_id}/"
  client_id_list = [var.audience]
}

resource "aws_iam_role" "blockferry" {
  for_each             = local.roles
  name                 = "${var.role_prefix}-${each.key}"
  max_session_duration = 3600
  assume_role_policy   = templatefile("${path.module}/policies/${each.key}-trust.json.tftpl", local.names)
  depends_on           = [aws_iam_openid_connect_provider.entra]
}

resource "aws_iam_role_policy" "rights" {
  for_each = local.roles
  name     = "rights"
  role     = aws_iam_role.blockferry[each.key].id
  policy   = templatefile("${path.module}/policies/${each.key}.json.tftpl", local.names)
}

resource "aws_s3_bucket" "blockferry" {
  for_each            = local.bucket_names
  bucket              = each.value
  object_lock_enabled = each.key == "data"

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "blockferry" {
  for_each = local.bucket_names
  bucket   = aws_s3_bucket.blockferry[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

# Compliance mode: in governance mode the collector's right to delete would reach locked versions.
resource "aws_s3_bucket_object_lock_configuration" "data" {
  bucket     = aws_s3_bucket.blockferry["data"].id
  depends_on = [aws_s3_bucket_versioning.blockferry]

  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = var.lock_days
    }
  }
}

resource "aws_s3_bucket_public_access_block" "blockferry" {
  for_each                = local.bucket_names
  bucket                  = aws_s3_bucket.blockferry[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "blockferry" {
  for_each = local.bucket_names
  bucket   = aws_s3_bucket.blockferry[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "blockferry" {
  for_each = local.bucket_names
  bucket   = aws_s3_bucket.blockferry[each.key].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

# Uploads that were begun and never completed cost money and are seen by nobody.
resource "aws_s3_bucket_lifecycle_configuration" "data" {
  bucket = aws_s3_bucket.blockferry["data"].id

  rule {
    id     = "incomplete-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "control" {
  bucket = aws_s3_bucket.blockferry["control"].id

  rule {
    id     = "incomplete-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
  }

  rule {
    id     = "old-registers"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 90
    }
  }
}

# The settings first: afterwards only the deployer may touch them.
resource "aws_s3_bucket_policy" "blockferry" {
  for_each = local.bucket_names
  bucket   = aws_s3_bucket.blockferry[each.key].id
  policy   = templatefile("${path.module}/policies/${each.key}-bucket.json.tftpl", local.names)
  depends_on = [
    aws_s3_bucket_public_access_block.blockferry,
    aws_s3_bucket_object_lock_configuration.data,
    aws_s3_bucket_lifecycle_configuration.data,
    aws_s3_bucket_lifecycle_configuration.control,
  ]
}

resource "aws_iam_role" "replicator" {
  count              = local.has_replica ? 1 : 0
  name               = "${var.role_prefix}-replicator"
  assume_role_policy = templatefile("${path.module}/policies/replicator-trust.json.tftpl", local.names)
}

resource "aws_iam_role_policy" "replicator" {
  count  = local.has_replica ? 1 : 0
  name   = "rights"
  role   = aws_iam_role.replicator[0].id
  policy = templatefile("${path.module}/policies/replicator.json.tftpl", local.names)
}

# Versions with their locks; markers are not copied, because a marker hides.
resource "aws_s3_bucket_replication_configuration" "data" {
  count      = local.has_replica ? 1 : 0
  bucket     = aws_s3_bucket.blockferry["data"].id
  role       = aws_iam_role.replicator[0].arn
  depends_on = [aws_s3_bucket_versioning.blockferry, aws_iam_role_policy.replicator]

  rule {
    id       = "everything"
    status   = "Enabled"
    priority = 1

    filter {}

    delete_marker_replication {
      status = "Disabled"
    }

    destination {
      bucket  = var.replica_bucket_arn
      account = var.replica_account_id

      access_control_translation {
        owner = "Destination"
      }
    }
  }
}
