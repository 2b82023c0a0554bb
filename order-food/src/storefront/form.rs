//! Forms as browsers send them.

use actix_web::{HttpRequest, web};
use shop::ProductId;
use url::form_urlencoded;

use super::Storefront;
use crate::http::{ApiError, body};
use crate::state::AppState;

/// The fields of a form or of a query, in the order in which they were sent.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body of a request that changes something, and that a page of ours made.
    ///
    /// # Errors
    /// 403 for a request of another site; 408, 413 and 415, as for every body.
    pub(crate) async fn read(
        request: &HttpRequest,
        payload: web::Payload,
        state: &AppState,
        storefront: &Storefront,
    ) -> Result<Form, ApiError> {
        let site = storefront.site(request);
        if !site.may_change(request.method(), request.headers()) {
            return Err(ApiError::Forbidden("only pages of this site may ask for this"));
        }
        let body = body::read_form(request, payload, state.body_timeout).await?;
        Ok(Form::parse(&body))
    }

    /// The fields of the query.
    pub(crate) fn query(request: &HttpRequest) -> Form {
        Form::parse(request.query_string().as_bytes())
    }

    fn parse(text: &[u8]) -> Form {
        Form(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The first field of this name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
    }

    /// The product that a field names.
    pub(crate) fn product(&self, name: &str) -> Option<ProductId> {
        ProductId::parse(self.text(name)?).ok()
    }
}

/// A link to the menu with this search.
pub(crate) fn menu_address(query: &str, category: Option<&str>) -> String {
    let mut address = form_urlencoded::Serializer::new(String::from("/?"));
    if !query.is_empty() {
        address.append_pair("q", query);
    }
    if let Some(category) = category {
        address.append_pair("category", category);
    }
    match address.finish() {
        bare if bare == "/?" => "/".into(),
        address => address.replacen("?&", "?", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_menu_hold_any_search() {
        assert_eq!(menu_address("", None), "/");
        assert_eq!(menu_address("a&b=c", None), "/?q=a%26b%3Dc");
        assert_eq!(
            menu_address("", Some("Soup & <Co>")),
            "/?category=Soup+%26+%3CCo%3E"
        );
        assert_eq!(menu_address("ä", Some("Pizza")), "/?q=%C3%A4&category=Pizza");
    }
}
