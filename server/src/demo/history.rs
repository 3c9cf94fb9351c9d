//! The 90 days before today: what the reps' phones did without a network and brought in when they had one, and what the
//! office did meanwhile.
//!
//! The server's clock stands where the story is; nobody can reach that server but the story's phones. Whatever the
//! phones and the office do on one day is done before anybody syncs on that day, so that what is concurrent in the story
//! is concurrent in the documents: conflicts, late work and lost claims come about, they are not put in.

mod office;
mod orders;

use std::{path::Path, sync::Arc};

use rand::{SeedableRng, rngs::StdRng};
use sync_core::{ids::UserId, time::Timestamp};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{
    cast::{CAST, Person, pool_of},
    company::{Company, Customer, reps},
    habits::{DAY_MS, HOUR_MS, MINUTE_MS},
    inside::Inside,
    language::Language,
    names::{Area, Directory},
    rep::{Rep, Settled},
};
use crate::{actions::ownership::Asker, app::App, http::router, jobs};

/// Threads on which phones work: the server needs some of the machine as well.
const PHONE_THREADS: usize = 2;
/// Of a hundred customers so many come in the course of the story.
const LATER_PERCENT: usize = 4;
/// When the groups of phones come back to the network, after midnight.
const EVENINGS: [i64; 3] = [
    17 * HOUR_MS + 50 * MINUTE_MS,
    18 * HOUR_MS + 35 * MINUTE_MS,
    20 * HOUR_MS + 10 * MINUTE_MS,
];
/// Part of the days after which somebody leaves, in percent.
const LEAVING_PERCENT: usize = 62;

/// What is to be told.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) language: Language,
    pub(crate) seed: u64,
    pub(crate) customers: usize,
    pub(crate) days: usize,
    /// Midnight in the company's time zone, before which everything happens.
    pub(crate) end: Timestamp,
    /// Everybody's password.
    pub(crate) password: String,
}

/// Steps done and steps altogether.
pub(crate) type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// Tells the story on an empty database and leaves the phones that go on in folders below `phones`, named by login.
/// `None` if it was told to stop.
///
/// # Errors
/// What the database or a phone fails with. The story itself is refused nothing that it does not expect.
pub(crate) async fn tell(
    app: &App,
    story: &Story,
    phones: &Path,
    progress: Progress<'_>,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Vec<Person>>> {
    let total = story.days as u64 + 4;
    app.seam.set_now(story.first_midnight().plus_ms(8 * HOUR_MS));
    let jobs = jobs::start(app);
    let mut director = Director::begin(app, story).await?;
    progress(2, total);
    let mut reps = director.hand_out_phones()?;
    progress(4, total);
    let leaving = story.days * LEAVING_PERCENT / 100;
    let mut has_left = false;
    for day in story.working_days() {
        if stop.is_cancelled() {
            jobs.stop(app).await;
            return Ok(None);
        }
        let leaves = !std::mem::replace(&mut has_left, day.number >= leaving) && has_left;
        director.play(day, &mut reps, leaves).await?;
        progress(day.number as u64 + 5, total);
    }
    jobs.stop(app).await;
    for rep in reps {
        if CAST.iter().any(|part| part.is_live && part.login == rep.login) {
            let folder = phones.join(rep.login);
            rep.into_store().copy_to(&folder)?;
        }
    }
    Ok(Some(CAST.iter().map(|part| part.person(story.language)).collect()))
}

impl Story {
    /// How many customers there are names for.
    pub(crate) fn customers_max() -> usize {
        Directory::open(&mut StdRng::seed_from_u64(0)).len()
    }

    fn first_midnight(&self) -> Timestamp {
        self.end.plus_ms(-(self.days as i64) * DAY_MS)
    }

    /// Mondays to Fridays; every day of a story that has none.
    fn working_days(&self) -> Vec<Day> {
        let days = (0..self.days).map(|number| Day {
            number,
            midnight: self.first_midnight().plus_ms(number as i64 * DAY_MS),
            left: 0,
        });
        let mut working: Vec<Day> = days.clone().filter(|day| !is_weekend(day.midnight)).collect();
        if working.is_empty() {
            working = days.collect();
        }
        for (left, day) in working.iter_mut().rev().enumerate() {
            day.left = left + 1;
        }
        working
    }
}

/// What the office does, and who is told to do what.
struct Director<'a> {
    app: &'a App,
    story: &'a Story,
    company: Company,
    generator: StdRng,
    world: Arc<Vec<Customer>>,
    /// Customers that come later: those the office brings in, those that reps meet.
    to_import: Vec<usize>,
    to_meet: Vec<usize>,
    /// Customers in each pool.
    pools: [Vec<usize>; 2],
    /// Claims of one customer by two people have been played so often.
    races: usize,
    /// Cards that two people have written differently: since which day, whose, which field, what is right.
    disagreements: Vec<(usize, usize, &'static str, String)>,
}

/// A day of the story.
#[derive(Clone, Copy)]
struct Day {
    /// From the story's first, which is 0.
    number: usize,
    midnight: Timestamp,
    /// Days of work from this one to the end, itself included.
    left: usize,
}

impl<'a> Director<'a> {
    async fn begin(app: &'a App, story: &'a Story) -> anyhow::Result<Self> {
        let company = Company::found(app, story.language, &story.password).await?;
        let mut generator = StdRng::seed_from_u64(story.seed);
        let mut directory = Directory::open(&mut generator);
        let mut world = Vec::with_capacity(story.customers);
        while world.len() < story.customers {
            let prospect = directory.next(world.len() + 1, story.language, &mut generator);
            let Some(prospect) = prospect else { break };
            world.push(company.place(prospect, story.language, &mut generator));
        }
        let first_day = world.len() - world.len() * LATER_PERCENT / 100;
        let first: Vec<&Customer> = world[..first_day].iter().collect();
        company.import(app, &first, story.language).await?;
        // By then somebody may have left; what would be his is a pool's.
        let leaver = reps().count() - 1;
        for customer in &mut world[first_day..] {
            customer.owner = customer.owner.filter(|owner| *owner != leaver);
        }
        let (to_import, to_meet) = (first_day..world.len()).partition(|index| index % 2 == 0);
        let mut director = Self {
            app,
            story,
            company,
            generator,
            world: Arc::new(world),
            to_import,
            to_meet,
            pools: [Vec::new(), Vec::new()],
            races: 0,
            disagreements: Vec::new(),
        };
        director.fill_pools(0..first_day);
        Ok(director)
    }

    fn fill_pools(&mut self, range: impl Iterator<Item = usize>) {
        for index in range {
            let customer = &self.world[index];
            if customer.owner.is_none() {
                self.pools[pool_of(customer.prospect.area)].push(index);
            }
        }
    }

    fn hand_out_phones(&mut self) -> anyhow::Result<Vec<Rep>> {
        let now = self.app.seam.now().plus_ms(20 * MINUTE_MS);
        self.app.seam.set_now(now);
        let way = Inside {
            router: router(self.app.clone()),
            runtime: Handle::current(),
        };
        let places: Vec<(usize, &'static str)> = reps().map(|part| part.login).enumerate().collect();
        let (world, story) = (&self.world, self.story);
        let signed_in = in_threads(places, |(place, login)| {
            let told = (story.language, story.seed);
            let mut rep = Rep::begin(login, place, &story.password, way.clone(), now, Arc::clone(world), told)?;
            rep.sync(now)?;
            Ok(rep)
        })?;
        Ok(signed_in)
    }

    /// One day: the office's morning, the field, the evenings.
    async fn play(&mut self, day: Day, reps: &mut Vec<Rep>, somebody_leaves: bool) -> anyhow::Result<()> {
        let at = |hours: i64, minutes: i64| day.midnight.plus_ms(hours * HOUR_MS + minutes * MINUTE_MS);
        self.app.seam.set_now(at(8, 30));
        self.bring_leads(day, reps).await?;
        self.give_orders(day, reps);
        self.app.seam.set_now(at(10, 40));
        self.edit_what_reps_edit(day, reps).await?;
        self.app.seam.set_now(at(11, 20));
        self.reassign(reps).await?;
        self.decide_tickets().await?;
        if somebody_leaves {
            self.let_go(reps).await?;
        }
        *reps = in_threads(std::mem::take(reps), |mut rep| {
            rep.work(day.number, day.midnight)?;
            Ok(rep)
        })?;
        for (group, evening) in EVENINGS.iter().enumerate() {
            let now = day.midnight.plus_ms(*evening);
            self.app.seam.set_now(now);
            self.sync_group(reps, group, day.number, now)?;
        }
        Ok(())
    }

    fn sync_group(&mut self, reps: &mut Vec<Rep>, group: usize, day: usize, now: Timestamp) -> anyhow::Result<()> {
        let (coming, rest): (Vec<Rep>, Vec<Rep>) = std::mem::take(reps)
            .into_iter()
            .partition(|rep| (rep.place + day) % EVENINGS.len() == group && rep.away_until <= day);
        let synced = in_threads(coming, |mut rep| {
            let settled = rep.sync(now)?;
            Ok((rep, settled))
        })?;
        *reps = rest;
        for (rep, settled) in synced {
            reps.push(rep);
            for settled in settled {
                self.note(settled);
            }
        }
        reps.sort_by_key(|rep| rep.place);
        for rep in reps.iter_mut() {
            rep.learn(&self.world);
        }
        Ok(())
    }

    fn note(&mut self, settled: Settled) {
        match settled {
            Settled::Won(_) | Settled::Lost(_) => {}
            Settled::Returned(index) => {
                let area = self.world[index].prospect.area;
                self.pools[pool_of(area)].push(index);
            }
            Settled::Created(index, id) => Arc::make_mut(&mut self.world)[index].id = id,
        }
    }

    fn manager_of(&self, area: Area) -> UserId {
        self.company.user(if area == Area::East { "chen" } else { "helen" })
    }

    fn asker(&self, user: UserId) -> Asker {
        Asker {
            org: self.company.org,
            user,
            device: None,
        }
    }
}

/// Saturday or Sunday in the company's time zone.
fn is_weekend(midnight: Timestamp) -> bool {
    let day = (midnight.0 + 8 * HOUR_MS).div_euclid(DAY_MS);
    // The first of January 1970 was a Thursday.
    matches!((day + 4).rem_euclid(7), 0 | 6)
}

/// Does the work for each item on a few threads. The results stand in the items' order.
fn in_threads<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> anyhow::Result<R> + Sync) -> anyhow::Result<Vec<R>> {
    let queue = std::sync::Mutex::new(items.into_iter().enumerate());
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        queue.next()
    };
    let mut done: Vec<(usize, R)> = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..PHONE_THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut done = Vec::new();
                        while let Some((index, item)) = next() {
                            done.push((index, work(item)?));
                        }
                        anyhow::Ok(done)
                    })
                })
                .collect();
            let mut all = Vec::new();
            for thread in threads {
                all.extend(
                    thread
                        .join()
                        .map_err(|_| anyhow::anyhow!("a phone's thread panicked"))??,
                );
            }
            anyhow::Ok(all)
        })
    })?;
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}
