# Init jobs on Azure Container Apps: started by hand, once each time, as a managed identity.
#
# The role grant is active. The others are templates: take the leading "# " away from those that you need.

terraform {
  required_version = ">= 1.5"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.0, < 5.0"
    }
  }
}

locals {
  # How a job is named: order-food-init-grant-db-roles-dev.
  init_job_name = "${var.project_name}-init-%s-${var.environment}"

  # Secrets of the Key Vault for the role grant; without one it logs in as the managed identity, which is then an Entra administrator.
  admin_secrets = var.key_vault_name != null ? {
    "postgres-admin-password" = "https://${var.key_vault_name}.vault.azure.net/secrets/postgres-admin-password"
  } : {}

  # Names of the database's roles. The identity of the jobs is the migrator, unless it is the administrator that grants.
  roles = merge(
    var.key_vault_name != null ? { migrator = var.managed_identity_name } : {},
    var.role_names
  )

  # The database for the managed identity; a token completes the URL.
  database_url = "postgresql://${var.managed_identity_name}@${var.postgres_fqdn}:5432/${var.postgres_database_name}?sslmode=require"
}

resource "azurerm_container_app_job" "grant_db_roles" {
  name                         = format(local.init_job_name, "grant-db-roles")
  location                     = var.location
  resource_group_name          = var.resource_group_name
  container_app_environment_id = var.container_app_environment_id
  replica_timeout_in_seconds   = 420
  replica_retry_limit          = 3

  manual_trigger_config {
    parallelism              = 1
    replica_completion_count = 1
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [var.managed_identity_id]
  }

  registry {
    server   = var.container_registry
    identity = var.managed_identity_id
  }

  dynamic "secret" {
    for_each = local.admin_secrets

    content {
      name                = secret.key
      key_vault_secret_id = secret.value
      identity            = var.managed_identity_id
    }
  }

  template {
    container {
      name   = "database-migration"
      image  = "${var.container_registry}/database-migration:${var.image_tag}"
      args   = ["roles", "apply", "--timeout=300"]
      cpu    = 0.25
      memory = "0.5Gi"

      env {
        name  = "DB_HOST"
        value = var.postgres_fqdn
      }

      env {
        name  = "DB_NAME"
        value = var.postgres_database_name
      }

      env {
        name  = "DB_SSLMODE"
        value = "require"
      }

      env {
        name  = "DB_USER"
        value = var.key_vault_name != null ? var.postgres_admin_user : var.managed_identity_name
      }

      dynamic "env" {
        for_each = local.admin_secrets

        content {
          name        = "DB_PASSWORD"
          secret_name = env.key
        }
      }

      env {
        name  = "DB_AUTH"
        value = var.key_vault_name != null ? "password" : "azure"
      }

      env {
        name  = "AZURE_CLIENT_ID"
        value = var.managed_identity_client_id
      }

      # Roles that an Entra administrator made are granted to, the others are made.
      dynamic "env" {
        for_each = local.roles

        content {
          name  = "ROLE_${upper(env.key)}"
          value = env.value
        }
      }

      env {
        name  = "ENVIRONMENT"
        value = var.environment
      }

      env {
        name  = "LOG_FORMAT"
        value = "json"
      }
    }
  }

  tags = merge(
    var.common_tags,
    {
      Name        = format(local.init_job_name, "grant-db-roles")
      Purpose     = "Init job: makes the database's roles and grants their rights"
      JobType     = "init"
      JobCategory = "database"
    }
  )
}

# Brings the schema to the version of the image.

# resource "azurerm_container_app_job" "database_migration" {
#   name                         = format(local.init_job_name, "db-migration")
#   location                     = var.location
#   resource_group_name          = var.resource_group_name
#   container_app_environment_id = var.container_app_environment_id
#   replica_timeout_in_seconds   = 3720
#   replica_retry_limit          = 3
#
#   manual_trigger_config {
#     parallelism              = 1
#     replica_completion_count = 1
#   }
#
#   identity {
#     type         = "UserAssigned"
#     identity_ids = [var.managed_identity_id]
#   }
#
#   registry {
#     server   = var.container_registry
#     identity = var.managed_identity_id
#   }
#
#   template {
#     container {
#       name   = "database-migration"
#       image  = "${var.container_registry}/database-migration:${var.image_tag}"
#       args   = ["up", "--timeout=3600"]
#       cpu    = 0.5
#       memory = "1Gi"
#
#       env {
#         name  = "DATABASE_URL"
#         value = local.database_url
#       }
#
#       env {
#         name  = "DB_AUTH"
#         value = "azure"
#       }
#
#       env {
#         name  = "AZURE_CLIENT_ID"
#         value = var.managed_identity_client_id
#       }
#
#       env {
#         name  = "ENVIRONMENT"
#         value = var.environment
#       }
#
#       env {
#         name  = "LOG_FORMAT"
#         value = "json"
#       }
#     }
#   }
#
#   tags = merge(
#     var.common_tags,
#     {
#       Name        = format(local.init_job_name, "db-migration")
#       Purpose     = "Init job: brings the database schema to the version of the image"
#       JobType     = "init"
#       JobCategory = "database"
#     }
#   )
# }

# Loads data; in production, name profiles of your own instead of minimal.

# resource "azurerm_container_app_job" "seed_data" {
#   name                         = format(local.init_job_name, "seed-data")
#   location                     = var.location
#   resource_group_name          = var.resource_group_name
#   container_app_environment_id = var.container_app_environment_id
#   replica_timeout_in_seconds   = 1020
#   replica_retry_limit          = 3
#
#   manual_trigger_config {
#     parallelism              = 1
#     replica_completion_count = 1
#   }
#
#   identity {
#     type         = "UserAssigned"
#     identity_ids = [var.managed_identity_id]
#   }
#
#   registry {
#     server   = var.container_registry
#     identity = var.managed_identity_id
#   }
#
#   template {
#     container {
#       name   = "database-load"
#       image  = "${var.container_registry}/database-load:${var.image_tag}"
#       args   = ["run", "-p", "minimal", "--timeout=900"]
#       cpu    = 0.5
#       memory = "1Gi"
#
#       env {
#         name  = "DATABASE_URL"
#         value = local.database_url
#       }
#
#       env {
#         name  = "DB_AUTH"
#         value = "azure"
#       }
#
#       env {
#         name  = "AZURE_CLIENT_ID"
#         value = var.managed_identity_client_id
#       }
#
#       env {
#         name  = "ENVIRONMENT"
#         value = var.environment
#       }
#
#       env {
#         name  = "LOG_FORMAT"
#         value = "json"
#       }
#     }
#   }
#
#   tags = merge(
#     var.common_tags,
#     {
#       Name        = format(local.init_job_name, "seed-data")
#       Purpose     = "Init job: loads the data of the profiles"
#       JobType     = "init"
#       JobCategory = "data"
#     }
#   )
# }

# Prepares a second region with the Azure CLI.

# resource "azurerm_container_app_job" "multi_region_setup" {
#   count = var.secondary_region_enabled ? 1 : 0
#
#   name                         = format(local.init_job_name, "multi-region-setup")
#   location                     = var.location
#   resource_group_name          = var.resource_group_name
#   container_app_environment_id = var.container_app_environment_id
#   replica_timeout_in_seconds   = 1020
#   replica_retry_limit          = 3
#
#   manual_trigger_config {
#     parallelism              = 1
#     replica_completion_count = 1
#   }
#
#   identity {
#     type         = "UserAssigned"
#     identity_ids = [var.managed_identity_id]
#   }
#
#   registry {
#     server   = var.container_registry
#     identity = var.managed_identity_id
#   }
#
#   template {
#     container {
#       name  = "setup"
#       image = "mcr.microsoft.com/azure-cli:2.76.0"
#
#       command = [
#         "sh",
#         "-c",
#         <<-EOT
#           set -eu
#           az login --identity --client-id "$AZURE_CLIENT_ID"
#           az postgres flexible-server show --ids "$REPLICA_ID" --query state --output tsv
#         EOT
#       ]
#
#       cpu    = 0.5
#       memory = "1Gi"
#
#       env {
#         name  = "TARGET_REGION"
#         value = var.secondary_region
#       }
#
#       env {
#         name  = "REPLICA_ID"
#         value = var.secondary_postgres_id
#       }
#
#       env {
#         name  = "AZURE_CLIENT_ID"
#         value = var.managed_identity_client_id
#       }
#     }
#   }
#
#   tags = merge(
#     var.common_tags,
#     {
#       Name        = format(local.init_job_name, "multi-region-setup")
#       Purpose     = "Init job: prepares the second region"
#       JobType     = "init"
#       JobCategory = "infrastructure"
#     }
#   )
# }
