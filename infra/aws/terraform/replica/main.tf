# The copy of the backups in an account of its own. Apply it there, before replica_bucket_arn is set.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40, < 7.0"
    }
  }
}

variable "replica_bucket_name" {
  type        = string
  description = "Bucket that gets a copy of everything."
}

variable "lock_days" {
  type        = number
  default     = 30
  description = "Days for which nobody at all can delete what was copied."
}

variable "replicator_arn" {
  type        = string
  description = "arn:aws:iam::ACCOUNT-OF-THE-DATA-BUCKET:role/PREFIX-replicator"
}

variable "deployer_arn" {
  type        = string
  description = "The one principal that may change the bucket, with its policy."
}

data "aws_partition" "current" {}

locals {
  names = {
    Partition         = data.aws_partition.current.partition
    ReplicaBucketName = var.replica_bucket_name
    ReplicatorArn     = var.replicator_arn
    DeployerArn       = var.deployer_arn
  }
}

resource "aws_s3_bucket" "replica" {
  bucket              = var.replica_bucket_name
  object_lock_enabled = true

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "replica" {
  bucket = aws_s3_bucket.replica.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "replica" {
  bucket     = aws_s3_bucket.replica.id
  depends_on = [aws_s3_bucket_versioning.replica]

  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = var.lock_days
    }
  }
}

resource "aws_s3_bucket_public_access_block" "replica" {
  bucket                  = aws_s3_bucket.replica.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "replica" {
  bucket = aws_s3_bucket.replica.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_policy" "replica" {
  bucket     = aws_s3_bucket.replica.id
  policy     = templatefile("${path.module}/policies/replica-bucket.json.tftpl", local.names)
  depends_on = [aws_s3_bucket_public_access_block.replica, aws_s3_bucket_object_lock_configuration.replica]
}

output "replica_bucket_arn" {
  value = aws_s3_bucket.replica.arn
}
