//! Places that give tokens for a managed identity, and how each one is asked.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use process::settings::text::Blanks;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Url};
use secrecy::{ExposeSecret as _, SecretString};

use crate::settings::{Invalid, Settings};
use crate::value;

/// Where a token comes from. The first of these that the settings name is taken.
pub(super) enum Source {
    /// Workload identity: Microsoft Entra ID takes the token of a Kubernetes service account.
    Workload { url: Url, client: String, file: PathBuf },
    /// The local endpoint of Container Apps and App Service.
    Platform {
        url: Url,
        secret: SecretString,
        client: Option<String>,
    },
    /// The metadata service (IMDS) of a virtual machine.
    Machine { url: Url, client: Option<String> },
}

const AUTHORITY: &str = "https://login.microsoftonline.com";
const METADATA: &str = "http://169.254.169.254";
/// Bytes that a form encodes: all but those that mean nothing anywhere.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const METADATA_PATH: &str = "/metadata/identity/oauth2/token";

impl Source {
    pub(super) fn new(settings: &Settings) -> Result<Source, Invalid> {
        let client = text(settings.azure_client_id.as_ref());
        if let Some(file) = &settings.azure_federated_token_file {
            return workload(settings, client, file);
        }
        let secret = settings.azure_identity_secret.as_ref();
        let secret = secret.filter(|secret| !secret.expose_secret().is_empty());
        match (text(settings.azure_identity_endpoint.as_ref()), secret) {
            (Some(endpoint), Some(secret)) => Ok(Source::Platform {
                url: url("IDENTITY_ENDPOINT", &endpoint)?,
                secret: secret.clone(),
                client,
            }),
            (Some(_), None) => Err(Invalid::new(
                "IDENTITY_ENDPOINT",
                "is set without IDENTITY_HEADER: Container Apps and App Service set both (Azure Arc is not supported)",
            )),
            (None, _) => {
                let endpoint = text(settings.azure_imds_endpoint.as_ref());
                let mut url = url("AZURE_IMDS_ENDPOINT", endpoint.as_deref().unwrap_or(METADATA))?;
                if url.path() == "/" {
                    url.set_path(METADATA_PATH);
                }
                Ok(Source::Machine { url, client })
            }
        }
    }

    /// The address for messages.
    pub(super) fn address(&self) -> &str {
        let url = self.url().as_str();
        url.split('?').next().unwrap_or(url)
    }

    pub(super) fn url(&self) -> &Url {
        match self {
            Source::Workload { url, .. } | Source::Platform { url, .. } | Source::Machine { url, .. } => url,
        }
    }

    /// Whether the address is on the machine or next to it, where no proxy leads.
    pub(super) fn is_local(&self) -> bool {
        !matches!(self, Source::Workload { .. })
    }

    /// What to look at when nothing answers.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Source::Machine { .. } => {
                "; is this a machine of Azure with a managed identity? Container Apps and App Service set \
                 IDENTITY_ENDPOINT, a workload identity AZURE_FEDERATED_TOKEN_FILE"
            }
            _ => "",
        }
    }

    /// The request for a token for `audience`.
    ///
    /// # Errors
    /// A sentence about the file of the service account's token.
    pub(super) fn request(&self, http: &Client, audience: &str) -> Result<RequestBuilder, String> {
        let with = |url: &Url, version: &str, client: Option<&String>| {
            let mut url = url.clone();
            url.query_pairs_mut()
                .append_pair("api-version", version)
                .append_pair("resource", audience)
                .extend_pairs(client.map(|client| ("client_id", client)));
            url
        };
        Ok(match self {
            Source::Workload { url, client, file } => {
                // Kubernetes rotates it, so it is read each time.
                let assertion = value::read("AZURE_FEDERATED_TOKEN_FILE", file, Blanks::Cut)
                    .map_err(|invalid| invalid.to_string())?;
                let scope = format!("{}/.default", audience.trim_end_matches('/'));
                let fields = [
                    ("grant_type", "client_credentials"),
                    ("client_id", client),
                    ("scope", &scope),
                    (
                        "client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    ),
                    ("client_assertion", &assertion),
                ];
                http.post(url.clone())
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form(&fields))
            }
            Source::Platform { url, secret, client } => http
                .get(with(url, "2019-08-01", client.as_ref()))
                .header("x-identity-header", secret.expose_secret()),
            Source::Machine { url, client } => http
                .get(with(url, "2018-02-01", client.as_ref()))
                .header("metadata", "true"),
        })
    }
}

fn workload(settings: &Settings, client: Option<String>, file: &Path) -> Result<Source, Invalid> {
    let missing = |name: &str| Invalid::new(name, "is needed beside AZURE_FEDERATED_TOKEN_FILE");
    let tenant = text(settings.azure_tenant_id.as_ref()).ok_or_else(|| missing("AZURE_TENANT_ID"))?;
    let is_of_a_tenant = |char: char| char.is_ascii_alphanumeric() || "-.".contains(char);
    if !tenant.chars().all(is_of_a_tenant) {
        return Err(Invalid::new("AZURE_TENANT_ID", "is no id or domain of a tenant"));
    }
    let authority = text(settings.azure_authority_host.as_ref());
    let mut url = url("AZURE_AUTHORITY_HOST", authority.as_deref().unwrap_or(AUTHORITY))?;
    if url.scheme() != "https" && !is_loopback(&url) {
        let problem = "does not begin with https://, and a token is sent there";
        return Err(Invalid::new("AZURE_AUTHORITY_HOST", problem));
    }
    let path = format!("{}/{tenant}/oauth2/v2.0/token", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(Source::Workload {
        url,
        client: client.ok_or_else(|| missing("AZURE_CLIENT_ID"))?,
        file: file.to_owned(),
    })
}

fn url(setting: &str, text: &str) -> Result<Url, Invalid> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty()
    });
    url.ok_or_else(|| Invalid::new(setting, "is not an address that begins with http:// or https://"))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn text(value: Option<&String>) -> Option<String> {
    let value = value?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |text| utf8_percent_encode(text, RESERVED);
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    fields.collect::<Vec<_>>().join("&")
}
