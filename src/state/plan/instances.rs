//! Instances, their namespaces and their allow lists.

use std::collections::{BTreeMap, HashMap, HashSet};

use toml::Spanned;

use super::{About, Inside};
use crate::domain::ids::{CriId, InstanceId};
use crate::domain::instance::DefaultMark;
use crate::domain::namespace::{NamespaceChange, Visibility};
use crate::domain::switch::Switch;
use crate::domain::tag::Tag;
use crate::domain::{Error, Noun, Result, name};
use crate::service::{InstanceContents, NewInstance, NewNamespace, RecordedNamespace};
use crate::state::deed::Deed;
use crate::state::format::{Entry, Instance, Namespace};
use crate::state::instance::{Adjustable, InstanceUpdate};
use crate::state::step::{Action, Changes, Shown};

impl<'s> Inside<'_, '_, 's> {
    pub(super) fn instances(&mut self) -> Result<()> {
        let (wanted, present) = (self.wanted, self.present);
        self.once(Noun::Instance, wanted.instances.iter().map(|one| &one.name))?;
        for instance in &wanted.instances {
            self.check_entries(instance)?;
            let there = present.instances.get(instance.name.as_ref());
            match there {
                None => self.new_instance(instance)?,
                Some(there) => self.changed_instance(instance, there)?,
            }
            self.namespaces(instance, there)?;
        }
        Ok(())
    }

    /// Refuses a range that comes twice in one list.
    fn check_entries(&self, wanted: &Instance) -> Result<()> {
        let list = wanted.allow_list.as_ref();
        let entries = list.and_then(|list| list.entries.as_ref());
        let mut seen = HashSet::new();
        for Entry(entry) in entries.into_iter().flatten() {
            if !seen.insert(entry.cidr) {
                let why = format!("allow list: {} comes twice", entry.cidr);
                return Err(self.fault(&wanted.name, &why));
            }
        }
        Ok(())
    }

    fn new_instance(&mut self, wanted: &'s Instance) -> Result<()> {
        let source = self.planner.source;
        let fault = source.fault_of(Noun::Instance, wanted.name.span().start);
        let ids = ids(wanted).map_err(&fault)?;
        let region = wanted.region.as_deref().unwrap_or(Instance::USUAL_REGION);
        let name = wanted.name.as_ref();
        name::check_name("name", name).map_err(&fault)?;
        name::check_region("region", region).map_err(&fault)?;
        name::check_service(&wanted.service).map_err(&fault)?;
        let mut new = NewInstance {
            issuer: wanted.issuer.clone(),
            token_ttl_seconds: wanted.token_ttl_seconds,
            registry_url: wanted.registry_url.clone().filter(|url| !url.is_empty()),
            ecr_host: wanted.ecr_host.clone().filter(|host| !host.is_empty()),
            default: mark(wanted.default.unwrap_or(false)),
            refresh_tokens: wanted.refresh_tokens.unwrap_or(false).into(),
            token_log_in: wanted.token_log_in.unwrap_or(true).into(),
            ids,
            ..NewInstance::named(self.account, name, region, &wanted.service)
        };
        if let Some(kind) = wanted.kind {
            new.kind = kind.0;
        }
        if let Some(algorithm) = wanted.algorithm {
            new.algorithm = algorithm.0;
        }
        if let Some(format) = wanted.kid_format {
            new.kid_format = format.0;
        }
        if let Some(specification) = wanted.specification {
            new.specification = specification.0;
        }
        self.take(wanted, &new)?;
        let mut changes = Changes::default();
        changes.note("service", (), wanted.service.clone());
        changes.note("region", (), region);
        changes.given("kind", &wanted.kind.map(|word| word.0));
        changes.given("tcr_id", &wanted.tcr_id);
        changes.given("cri_id", &wanted.cri_id);
        changes.given("issuer", &wanted.issuer);
        changes.given("algorithm", &wanted.algorithm.map(|word| word.0));
        changes.given("kid_format", &wanted.kid_format.map(|word| word.0));
        changes.given("token_ttl_seconds", &wanted.token_ttl_seconds);
        changes.given("registry_url", &new.registry_url);
        changes.given("ecr_host", &new.ecr_host);
        changes.given("specification", &wanted.specification.map(|word| word.0));
        changes.given("default", &wanted.default);
        changes.given("refresh_tokens", &wanted.refresh_tokens);
        changes.given("token_log_in", &wanted.token_log_in);
        let update = InstanceUpdate::between(&Adjustable::fresh(&new), wanted, &mut changes);
        for change in &mut changes.0 {
            change.old = ().shown();
        }
        let deed = Deed::CreateInstance(Box::new((new, update)));
        let about = About::named(Noun::Instance, &wanted.name);
        self.add(Action::Create, about, changes, deed);
        Ok(())
    }

    /// Takes the service and the ids of a new instance, unless another instance has them.
    fn take(&mut self, wanted: &Instance, new: &NewInstance) -> Result<()> {
        let owner = (new.account, new.name.clone());
        let owners = &mut self.planner.owners;
        let ids = new.ids.as_ref();
        let ids = ids.map(|(tcr, cri)| [tcr.to_string(), cri.to_string()]);
        let service = owners.services.insert(new.service.clone(), owner.clone());
        let mut taken = service.map(|other| (new.service.clone(), other));
        for id in ids.into_iter().flatten() {
            let before = owners.ids.insert(id.clone(), owner.clone());
            taken = taken.or(before.map(|other| (id, other)));
        }
        let Some((what, (account, name))) = taken else {
            return Ok(());
        };
        let why = format!("instance: {what} belongs to the instance {name} of account {account}");
        Err(self.fault(&wanted.name, &why))
    }

    fn changed_instance(&mut self, wanted: &'s Instance, there: &InstanceContents) -> Result<()> {
        self.check_fixed(wanted, there)?;
        let mut changes = Changes::default();
        let update = InstanceUpdate::between(&Adjustable::of(there), wanted, &mut changes);
        if !changes.0.is_empty() {
            let deed = Deed::UpdateInstance(there.instance.id.clone(), Box::new(update));
            let about = About::named(Noun::Instance, &wanted.name);
            self.add(Action::Update, about, changes, deed);
        }
        Ok(())
    }

    /// Refuses another value of a field that is settled when an instance is made.
    fn check_fixed(&self, wanted: &Instance, there: &InstanceContents) -> Result<()> {
        let is = &there.instance;
        let mut changes = Changes::default();
        let (tcr, cri) = (is.id.to_string(), is.cri_id.to_string());
        let issuer = wanted.issuer.clone().map(Some);
        changes.compare("service", &is.service, Some(wanted.service.clone()));
        changes.compare("region", &is.region, wanted.region.clone());
        changes.compare("tcr_id", &tcr, wanted.tcr_id.clone());
        changes.compare("cri_id", &cri, wanted.cri_id.clone());
        changes.compare("kind", &is.kind, wanted.kind.map(|word| word.0));
        changes.compare("issuer", &is.issuer, issuer);
        changes.compare(
            "algorithm",
            &is.algorithm,
            wanted.algorithm.map(|word| word.0),
        );
        changes.compare(
            "kid_format",
            &is.kid_format,
            wanted.kid_format.map(|word| word.0),
        );
        let (ttl, wanted_ttl) = (&is.token_ttl_seconds, wanted.token_ttl_seconds);
        changes.compare("token_ttl_seconds", ttl, wanted_ttl);
        changes.compare("default", &is.default, wanted.default.map(mark));
        let Some(change) = changes.0.first() else {
            return Ok(());
        };
        let field = &change.field;
        let advice = match field.as_str() {
            "issuer" => "`transire instance update --issuer URL` prepares another one",
            _ => "it is settled when an instance is made",
        };
        let why = format!("instance: its {field} is {}: {advice}", change.old);
        Err(self.fault(&wanted.name, &why))
    }

    fn namespaces(
        &mut self,
        instance: &'s Instance,
        there: Option<&InstanceContents>,
    ) -> Result<()> {
        let noun = Noun::Namespace;
        self.once(noun, instance.namespaces.iter().map(|one| &one.name))?;
        let recorded: HashMap<&str, &RecordedNamespace> = there
            .into_iter()
            .flat_map(|there| &there.namespaces)
            .map(|one| (one.tagged.namespace.name.as_str(), one))
            .collect();
        let of = instance.name.as_ref().as_str();
        for wanted in &instance.namespaces {
            match recorded.get(wanted.name.as_ref().as_str()) {
                None => {
                    let id = there.map(|there| there.instance.id.clone());
                    self.new_namespace(of, id, wanted)?;
                }
                Some(one) => self.changed_namespace(of, wanted, one),
            }
        }
        Ok(())
    }

    fn new_namespace(
        &mut self,
        of: &'s str,
        id: Option<InstanceId>,
        wanted: &'s Namespace,
    ) -> Result<()> {
        let name = wanted.name.as_ref();
        name::check_namespace("name", name)
            .map_err(self.fault_of(Noun::Namespace, &wanted.name))?;
        let usual = NewNamespace::named(name);
        let visibility = Visibility::of(wanted.public.unwrap_or(false));
        let switch = |given: Option<bool>, usual: Switch| given.map_or(usual, Switch::from);
        let new = NewNamespace {
            visibility,
            auto_create_repository: switch(
                wanted.auto_create_repository,
                usual.auto_create_repository,
            ),
            default_visibility: wanted.default_public.map_or(visibility, Visibility::of),
            default_tag_immutability: switch(
                wanted.default_tag_immutability,
                usual.default_tag_immutability,
            ),
            auto_scan: switch(wanted.auto_scan, usual.auto_scan),
            prevent_vulnerable: switch(wanted.prevent_vulnerable, usual.prevent_vulnerable),
            severity: wanted.severity.map_or(usual.severity, |word| word.0),
            allowed_cves: wanted.allowed_cves.clone().unwrap_or_default(),
            tags: wanted.tags.as_ref().map(tags).unwrap_or_default(),
            ..usual
        };
        let mut changes = Changes::default();
        changes.note("public", (), visibility);
        changes.given("auto_create_repository", &wanted.auto_create_repository);
        changes.given("default_public", &wanted.default_public);
        changes.given("default_tag_immutability", &wanted.default_tag_immutability);
        changes.given("auto_scan", &wanted.auto_scan);
        changes.given("prevent_vulnerable", &wanted.prevent_vulnerable);
        changes.given("severity", &wanted.severity.map(|word| word.0));
        changes.given("allowed_cves", &wanted.allowed_cves);
        changes.given("tags", &wanted.tags.as_ref().map(shown));
        let deed = Deed::CreateNamespace {
            instance: of,
            id,
            new: Box::new(new),
        };
        self.about_namespace(Action::Create, of, &wanted.name, changes, deed);
        Ok(())
    }

    fn changed_namespace(&mut self, of: &str, wanted: &'s Namespace, there: &RecordedNamespace) {
        let (is, old_tags) = (&there.tagged.namespace, &there.tagged.tags);
        let mut changes = Changes::default();
        let mut switch = |field: &str, present: &Switch, wanted: Option<bool>| {
            changes.compare(field, present, wanted.map(Switch::from))
        };
        let mut change = NamespaceChange {
            auto_create_repository: switch(
                "auto_create_repository",
                &is.auto_create_repository,
                wanted.auto_create_repository,
            ),
            default_tag_immutability: switch(
                "default_tag_immutability",
                &is.default_tag_immutability,
                wanted.default_tag_immutability,
            ),
            auto_scan: switch("auto_scan", &is.auto_scan, wanted.auto_scan),
            prevent_vulnerable: switch(
                "prevent_vulnerable",
                &is.prevent_vulnerable,
                wanted.prevent_vulnerable,
            ),
            ..NamespaceChange::default()
        };
        let visibility = |wanted: Option<bool>| wanted.map(Visibility::of);
        change.visibility = changes.compare("public", &is.visibility, visibility(wanted.public));
        change.default_visibility = changes.compare(
            "default_public",
            &is.default_visibility,
            visibility(wanted.default_public),
        );
        change.severity =
            changes.compare("severity", &is.severity, wanted.severity.map(|word| word.0));
        change.allowed_cves = changes.compare(
            "allowed_cves",
            &is.allowed_cves,
            wanted.allowed_cves.clone(),
        );
        let present: BTreeMap<String, String> = old_tags
            .iter()
            .map(|tag| (tag.key.clone(), tag.value.clone()))
            .collect();
        let new_tags = wanted.tags.as_ref().filter(|wanted| **wanted != present);
        if let Some(wanted) = new_tags {
            changes.note("tags", shown(&present), shown(wanted));
        }
        if changes.0.is_empty() {
            return;
        }
        let deed = Deed::UpdateNamespace {
            instance: is.instance.clone(),
            name: wanted.name.as_ref(),
            change: Box::new(change),
            tags: new_tags.map(tags),
        };
        self.about_namespace(Action::Update, of, &wanted.name, changes, deed);
    }

    fn about_namespace(
        &mut self,
        action: Action,
        of: &str,
        name: &Spanned<String>,
        changes: Changes,
        deed: Deed<'s>,
    ) {
        let path = format!("{of}/{}", name.as_ref());
        let about = About::of(Noun::Namespace, &path, name.span().start);
        self.add(action, about, changes, deed);
    }
}

fn mark(is_default: bool) -> DefaultMark {
    if is_default {
        DefaultMark::Marked
    } else {
        DefaultMark::Unmarked
    }
}

fn tags(given: &BTreeMap<String, String>) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| Tag {
        key: key.clone(),
        value: value.clone(),
    };
    given.iter().map(tag).collect()
}

fn shown(tags: &BTreeMap<String, String>) -> serde_json::Value {
    serde_json::json!(tags)
}

/// Reads the ids that a new instance is given.
fn ids(wanted: &Instance) -> Result<Option<(InstanceId, CriId)>> {
    let together = "tcr_id and cri_id are given together, or neither";
    match (&wanted.tcr_id, &wanted.cri_id) {
        (None, None) => Ok(None),
        (Some(tcr), Some(cri)) => Ok(Some((
            tcr.parse().map_err(|_| not_an_id("tcr_id", "tcr- and 8"))?,
            cri.parse()
                .map_err(|_| not_an_id("cri_id", "cri- and 16"))?,
        ))),
        (None, Some(_)) => Err(Error::invalid_parameter("tcr_id", together)),
        (Some(_), None) => Err(Error::invalid_parameter("cri_id", together)),
    }
}

fn not_an_id(name: &str, form: &str) -> Error {
    Error::invalid_parameter(name, format!("an id is {form} of a-z and 0-9"))
}
