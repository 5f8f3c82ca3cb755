//! The page with all recipes, by category.

use std::collections::BTreeMap;

use super::{
    html::{Place, document, escaped, with_code},
    recipe,
};
use crate::catalogue::Listed;

/// The category of recipes that name none.
const OTHER: &str = "Other";

pub fn page(recipes: &[Listed]) -> String {
    let mut categories: BTreeMap<&str, Vec<&Listed>> = BTreeMap::new();
    for recipe in recipes {
        let category = if recipe.category.is_empty() { OTHER } else { &recipe.category };
        categories.entry(category).or_default().push(recipe);
    }
    let anchors: String = categories
        .iter()
        .zip(1..)
        .map(|((category, recipes), number)| {
            let category = escaped(category);
            format!("<li><a href=\"#category-{number}\">{category} ({})</a></li>\n", recipes.len())
        })
        .collect();
    let sections: String = categories
        .iter()
        .zip(1..)
        .map(|((category, recipes), number)| {
            let cards: String = recipes.iter().map(|recipe| card(recipe)).collect();
            format!(
                "<section id=\"category-{number}\" aria-labelledby=\"heading-{number}\">\n\
                 <h2 id=\"heading-{number}\">{}</h2>\n<ul class=\"recipes\">\n{cards}</ul>\n\
                 </section>\n",
                escaped(category)
            )
        })
        .collect();
    let number = match recipes.len() {
        1 => "1 recipe".to_owned(),
        number => format!("{number} recipes"),
    };
    let body = format!(
        "<a class=\"skip\" href=\"#main\">To the recipes</a>\n\
         <header>\n<h1>Recipes</h1>\n<p id=\"number\" role=\"status\">{number}</p>\n\
         <p id=\"search\" hidden><label for=\"words\">Search</label> \
         <input id=\"words\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"></p>\n\
         </header>\n<nav aria-label=\"Categories\">\n<ul>\n{anchors}</ul>\n</nav>\n\
         <main id=\"main\">\n{sections}</main>\n\
         <footer>\n<p>What a recipe has was computed from its files by potluck. \
         <a href=\"recipes.json\">recipes.json</a> is the same list for programs.</p>\n</footer>\n"
    );
    document("Recipes", Place::Top, &body)
}

fn card(it: &Listed) -> String {
    let newest = it.newest().map(|version| format!(" <small>{}</small>", escaped(version)));
    let mut marks: Vec<String> =
        it.features.iter().map(|feature| format!("<li>{}</li>", escaped(feature))).collect();
    if let Some(facts) = &it.facts {
        let asked = facts.reach.len()
            + facts.plugins.iter().map(|plugin| plugin.grants.len()).sum::<usize>();
        marks.push(format!(
            "<li class=\"asks\">asks for {asked} grant{}</li>",
            if asked == 1 { "" } else { "s" }
        ));
    }
    let marks = match marks.is_empty() {
        true => String::new(),
        false => format!("<ul class=\"marks\">{}</ul>\n", marks.concat()),
    };
    format!(
        "<li>\n<h3><a href=\"{}\">{}</a>{}</h3>\n<p>{}</p>\n{marks}</li>\n",
        escaped(&recipe::name(&it.name)),
        escaped(it.name.as_str()),
        newest.unwrap_or_default(),
        with_code(&it.description),
    )
}
