//! Forms as browsers send them.

use actix_web::HttpRequest;
use shop::ProductId;
use url::form_urlencoded;

/// The fields of a form or of a query, in the order in which they were sent.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// The fields of the query.
    pub(crate) fn query(request: &HttpRequest) -> Form {
        Form::parse(request.query_string().as_bytes())
    }

    /// The fields of a body.
    pub(super) fn parse(text: &[u8]) -> Form {
        Form(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The first field of this name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
    }

    /// The texts of those fields that are there.
    pub(crate) fn told(&self, texts: &[(&str, &str)]) -> Vec<String> {
        let told = texts.iter().filter(|(name, _)| self.text(name).is_some());
        told.map(|(_, text)| (*text).to_owned()).collect()
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
