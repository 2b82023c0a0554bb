//! Every pair of states with every actor, random lives of orders, and the documentation.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/API.md"));

/// The rules in other words: what leads onward, what turns back, what ends an order early.
fn may(actor: Actor, from: OrderStatus, to: OrderStatus) -> bool {
    const ONWARD: [OrderStatus; 5] = [
        OrderStatus::Placed,
        OrderStatus::Accepted,
        OrderStatus::Preparing,
        OrderStatus::Ready,
        OrderStatus::PickedUp,
    ];
    let step = |status| ONWARD.iter().position(|known| *known == status);
    let is_open = step(from).is_some_and(|step| step < 4);
    let answers = from == OrderStatus::Placed && matches!(to, OrderStatus::Accepted | OrderStatus::Rejected);
    let withdraws = from == OrderStatus::Placed && to == OrderStatus::Cancelled;
    match actor {
        Actor::System => answers,
        Actor::Customer | Actor::Browser => withdraws,
        Actor::Staff => {
            let is_next = is_open && step(to) == step(from).map(|step| step + 1);
            let is_recall = (from, to) == (OrderStatus::Ready, OrderStatus::Preparing);
            let is_new_time = from == to && from.takes_ready_time();
            let ends = is_open && to == OrderStatus::Cancelled;
            is_next || is_recall || is_new_time || ends || answers
        }
    }
}

#[test]
fn every_pair_of_states_is_allowed_to_exactly_the_actors_of_the_rules() {
    for actor in Actor::ALL {
        for from in OrderStatus::ALL {
            for to in OrderStatus::ALL {
                let case = format!("{actor:?} changes {from} into {to}");
                let found = Transition::find(from, to, actor);

                assert_eq!(found.is_some(), may(actor, from, to), "{case}");
                let is_change = found.is_some() && from != to;
                assert_eq!(allowed(from, actor).any(|known| known == to), is_change, "{case}");
                assert_eq!(sources(to, actor).any(|known| known == from), is_change, "{case}");
                let ends_early = to.is_void() && (to == OrderStatus::Rejected || from != OrderStatus::Placed);
                assert!(
                    found.is_none_or(|known| known.needs_reason == ends_early),
                    "{case}"
                );
            }
        }
    }
}

#[test]
fn a_pair_of_states_stands_in_the_table_once() {
    for (position, one) in TRANSITIONS.iter().enumerate() {
        assert!(!one.actors.is_empty());
        assert!(
            !TRANSITIONS[..position]
                .iter()
                .any(|other| (other.from, other.to) == (one.from, one.to))
        );
    }
}

#[test]
fn names_are_read_back_and_other_texts_are_refused_with_the_list() {
    for status in OrderStatus::ALL {
        assert_eq!(OrderStatus::parse(status.name()), Ok(status));
        assert!(NotAnOrderStatus.to_string().contains(status.name()));
    }
    for reason in Reason::ALL {
        assert_eq!(Reason::parse(reason.name()), Ok(reason));
        assert!(NotAReason.to_string().contains(reason.name()));
    }
    for text in ["", "Placed", "placed ", "eaten"] {
        assert_eq!(OrderStatus::parse(text), Err(NotAnOrderStatus), "{text}");
        assert_eq!(Reason::parse(text), Err(NotAReason), "{text}");
    }
}

#[test]
fn an_actor_may_give_the_reason_that_it_has_by_default() {
    for actor in Actor::ALL {
        assert!(
            actor
                .default_reason()
                .is_none_or(|reason| actor.reasons().contains(&reason))
        );
    }
}

#[test]
fn the_documented_diagram_and_table_are_the_transitions() {
    let actors = |known: &Transition| {
        known
            .actors
            .iter()
            .map(|actor| actor.name())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut arrows = BTreeSet::from(["[*] --> placed".to_owned()]);
    for known in TRANSITIONS.iter().filter(|known| known.from != known.to) {
        arrows.insert(format!("{} --> {}: {}", known.from, known.to, actors(known)));
        if known.to.is_final() {
            arrows.insert(format!("{} --> [*]", known.to));
        }
    }
    let rows: Vec<String> = TRANSITIONS
        .iter()
        .map(|known| {
            let to = match known.from == known.to {
                true => format!("`{}`: another time", known.to),
                false => format!("`{}`", known.to),
            };
            let reason = if known.needs_reason { " required |" } else { " |" };
            format!("| `{}` | {to} | {} |{reason}", known.from, actors(known))
        })
        .collect();

    let diagram = DOCUMENT
        .split_once("stateDiagram-v2\n")
        .unwrap()
        .1
        .split_once("```")
        .unwrap()
        .0;
    let documented: BTreeSet<String> = diagram.lines().map(|line| line.trim().to_owned()).collect();
    assert_eq!(documented, arrows);
    let table = DOCUMENT
        .split_once("| from | to | who | reason |\n|---|---|---|---|\n")
        .unwrap()
        .1;
    let documented: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    assert_eq!(documented, rows);
}

proptest! {
    /// Wherever the choices lead: an order that is not final can be brought to an end by staff, a
    /// final one stays, and reserved states are never reached.
    #[test]
    fn an_order_moves_along_the_table_until_it_is_final(choices in prop::collection::vec((0..4usize, 0..8usize), 0..40)) {
        let mut status = OrderStatus::Placed;
        for (actor, choice) in choices {
            let targets: Vec<OrderStatus> = allowed(status, Actor::ALL[actor]).collect();
            if status.is_final() {
                prop_assert!(targets.is_empty());
            } else {
                prop_assert!(allowed(status, Actor::Staff).any(OrderStatus::is_final));
            }
            if let Some(next) = targets.get(choice % targets.len().max(1)) {
                prop_assert!(!matches!(next, OrderStatus::OutForDelivery | OrderStatus::Delivered));
                prop_assert!(*next != OrderStatus::Placed);
                status = *next;
            }
        }
    }
}
