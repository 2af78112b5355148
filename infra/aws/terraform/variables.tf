# What a person decides, or `azd` tells. `blockferry init` writes a file with them.

variable "repository_tenant" {
  type        = string
  description = "Name of the tenant in the repository, as in the Azure parameters. It cannot be changed later."
}

variable "data_bucket_name" {
  type        = string
  description = "Bucket for packs, manifests and restore points."
}

variable "control_bucket_name" {
  type        = string
  description = "Bucket for sessions and the state of the collector."
}

variable "lock_days" {
  type        = number
  default     = 30
  description = "Days for which nobody at all can delete what was written (Object Lock, compliance mode)."

  validation {
    condition     = contains([1, 7, 14, 30, 60, 90, 180, 365], var.lock_days)
    error_message = "lock_days is one of 1, 7, 14, 30, 60, 90, 180, 365."
  }
}

variable "role_prefix" {
  type        = string
  default     = "blockferry"
  description = "Roles are called PREFIX-writer and so on. Another one for each repository of the account."
}

variable "entra_tenant_id" {
  type        = string
  description = "Entra tenant of the identities."
}

variable "issuer_host" {
  type        = string
  default     = "sts.windows.net"
  description = "Host of the issuer in version 1 tokens: sts.windows.net, in China sts.chinacloudapi.cn."
}

variable "audience" {
  type        = string
  description = "Application ID URI of the federation app registration."
}

variable "create_oidc_provider" {
  type        = bool
  default     = true
  description = "false when the account trusts this Entra tenant already: there can be one provider only."
}

variable "control_object_id" {
  type        = string
  description = "Object id of the identity id-NAME-control; AWS_TRUSTED_SUBJECTS of the Azure deployment."
}

variable "data_proxy_object_id" {
  type        = string
  description = "Object id of the identity id-NAME-data-proxy."
}

variable "collector_object_id" {
  type        = string
  description = "Object id of the identity id-NAME-collector."
}

variable "keeper_object_id" {
  type        = string
  description = "Object id of the identity id-NAME-keeper."
}

variable "eraser_object_id" {
  type        = string
  default     = ""
  description = "Object id of the identity that may end the tenant. Empty, as it should be until that day: no such role."
}

variable "allowed_networks" {
  type        = list(string)
  description = "CIDR blocks of the data proxies and the control plane, as AWS sees them. 0.0.0.0/0 and ::/0 let a stolen session be used from anywhere."
}

variable "deployer_arn" {
  type        = string
  description = "The one principal that may change the buckets, with their policies. It deploys this module."
}

variable "rescuer_arn" {
  type        = string
  description = "The role that people take to restore in an emergency, from any network."
}

variable "replica_bucket_arn" {
  type        = string
  default     = ""
  description = "Bucket in a third account that gets a copy of everything; see replica/. Empty: none."
}

variable "replica_account_id" {
  type        = string
  default     = ""
  description = "Account of that bucket."
}
