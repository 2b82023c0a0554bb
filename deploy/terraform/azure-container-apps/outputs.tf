output "grant_db_roles_job_name" {
  description = "Name of the job that grants the database's roles."
  value       = azurerm_container_app_job.grant_db_roles.name
}

output "grant_db_roles_job_id" {
  description = "Id of that job."
  value       = azurerm_container_app_job.grant_db_roles.id
}
