//! Where buckets are, and who asks.

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// Where buckets are, and who asks: a section of a service's settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// Address of the service; unset: Amazon's.
    pub endpoint: Option<String>,
    /// Region; unset: `us-east-1`.
    pub region: Option<String>,
    /// Whether the bucket is a part of the host's name instead of the path.
    pub virtual_hosted_style: bool,
    /// Whether requests go without a signature: for public buckets.
    pub skip_signature: bool,
    /// Access key.
    pub access_key_id: Option<SecretString>,
    /// Its secret.
    pub secret_access_key: Option<SecretString>,
    /// Token of a temporary access key.
    pub session_token: Option<SecretString>,
    /// File with a web identity token, with `role_arn`: what Kubernetes gives service accounts.
    pub web_identity_token_file: Option<String>,
    /// Role to take on with the web identity.
    pub role_arn: Option<String>,
    /// Address that hands out credentials to a pod.
    pub container_credentials_full_uri: Option<String>,
    /// File with the token for it.
    pub container_authorization_token_file: Option<String>,
}

/// A builder with what the settings say; bucket, retries and HTTP client are the caller's.
#[must_use]
pub fn builder(s3: &S3) -> AmazonS3Builder {
    use AmazonS3ConfigKey as Key;
    let secret =
        |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
    let given = [
        (Key::Endpoint, s3.endpoint.clone()),
        (Key::Region, s3.region.clone()),
        (Key::AccessKeyId, secret(&s3.access_key_id)),
        (Key::SecretAccessKey, secret(&s3.secret_access_key)),
        (Key::Token, secret(&s3.session_token)),
        (Key::WebIdentityTokenFile, s3.web_identity_token_file.clone()),
        (Key::RoleArn, s3.role_arn.clone()),
        (
            Key::ContainerCredentialsFullUri,
            s3.container_credentials_full_uri.clone(),
        ),
        (
            Key::ContainerAuthorizationTokenFile,
            s3.container_authorization_token_file.clone(),
        ),
    ];
    let builder = AmazonS3Builder::new()
        .with_virtual_hosted_style_request(s3.virtual_hosted_style)
        .with_skip_signature(s3.skip_signature);
    given
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .fold(builder, |builder, (key, value)| builder.with_config(key, value))
}
