variable "project_name" {
  description = "How the names begin: {project}-init-{purpose}-{environment}."
  type        = string
  default     = "order-food"
}

variable "environment" {
  description = "dev, staging or prod."
  type        = string

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment: expected dev, staging or prod."
  }
}

variable "resource_group_name" {
  description = "Resource group of the jobs, order-food-rg-{environment} where the trigger scripts are to find them."
  type        = string
}

variable "location" {
  description = "Azure region of the jobs: that of the Container Apps environment."
  type        = string
}

variable "container_app_environment_id" {
  description = "Id of the Container Apps environment whose network the jobs share with the services."
  type        = string
}

variable "managed_identity_id" {
  description = "Id of the user-assigned managed identity that the jobs run as."
  type        = string
}

variable "managed_identity_client_id" {
  description = "Client id of that identity, for which tokens are asked."
  type        = string
}

variable "managed_identity_name" {
  description = "Name of that identity, which is its role in PostgreSQL: the migrator."
  type        = string
}

variable "key_vault_name" {
  description = "Key Vault with the secret postgres-admin-password; null: the managed identity is an Entra administrator and grants."
  type        = string
  default     = null
}

variable "container_registry" {
  description = "Registry of the images, as example.azurecr.io; the identity pulls from it."
  type        = string
}

variable "image_tag" {
  description = "Tag of the images database-migration and database-load."
  type        = string

  validation {
    condition     = var.image_tag != "latest"
    error_message = "image_tag: latest is another image each time; name a revision."
  }
}

variable "postgres_fqdn" {
  description = "Host of the database, as order-food-dev.postgres.database.azure.com."
  type        = string
}

variable "postgres_database_name" {
  description = "Name of the database."
  type        = string
}

variable "postgres_admin_user" {
  description = "Administrator whose password is postgres-admin-password in the Key Vault."
  type        = string
  default     = "postgres"
}

variable "role_names" {
  description = "Names of other roles than the migrator, as { app = \"order-food-api\" }: owner, app, loader, worker, readonly."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for role in keys(var.role_names) : contains(["owner", "app", "loader", "worker", "readonly"], role)])
    error_message = "role_names: expected owner, app, loader, worker or readonly."
  }
}

variable "secondary_region_enabled" {
  description = "Whether the job multi-region-setup is made, once its template in init-jobs.tf is active."
  type        = bool
  default     = false
}

variable "secondary_region" {
  description = "Second region, which the job multi-region-setup prepares."
  type        = string
  default     = null
}

variable "secondary_postgres_id" {
  description = "Id of the replica in the second region."
  type        = string
  default     = null
}

variable "common_tags" {
  description = "Tags of every job."
  type        = map(string)
  default     = {}
}
