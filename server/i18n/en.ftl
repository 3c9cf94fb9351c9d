# What pages say in English. The same keys stand in zh.ftl; a test compares, and that each is used.

nav = Pages
skip-to-content = Skip to the content
close = Close
back = Back
cancel = Cancel
save = Save
add = Add
yes = yes
no = no
try-again = Try again
code = Code
request-id = Request
no-such-page = There is nothing at this address. It may be mistyped, or the page has moved.
to-customers = To the customers
who-may = May do this: { $what }.
too-long = Too long: at most { $n } characters.
date-wrong = This is not a date. Choose one from the calendar, or write it like 2026-03-31.

ago-now = just now
ago-minutes = { $n } min ago
ago-hours = { $n } h ago
ago-days = { $n } days ago

live-on = Live
live-off = Not live since { "{time}" }

keys-title = Keyboard
keys-search = Search
keys-rows = Next and previous row
keys-select = Select the row
keys-open = Open the row
keys-help = This help

sign-in-title = Sign in
sign-in = Sign in
sign-out = Sign out
sign-in-hint = No account, or the password is lost? Your administrator can add you, set a new password or give you a sign-in link.
sign-in-wait = { $n ->
    [one] Too many failed attempts. Try again in a minute.
   *[other] Too many failed attempts. Try again in { $n } minutes.
}
sign-in-by-password = Sign in with your password
login = Login
password = Password
password-again = The password once more
link-hello = Hello { $what }
link-once = This link signs you in once. Press the button and you are in.
link-over-title = This link no longer works
link-over = Each link signs in once and for a short time only. Sign in with your password, or ask whoever gave you the link for a new one.

setup-title = Set up this server
setup-what = This server is new. Make your organisation and its first administrator; afterwards this page is gone, and the administrator adds everybody else.
setup-token = Setup word
setup-token-hint = The terminal or log of the server shows it on start. It proves that you run this server and are no passer-by.
setup-token-wrong = This is not the setup word. The server writes it to its terminal or log on start; open the address that stands there.
setup-organisation = Organisation
setup-organisation-name = Its name
setup-zone = Time zone
setup-zone-hint = In which its days begin and end. Choose one, or write a name such as Asia/Shanghai.
setup-zone-wrong = There is no such time zone. Choose one from the list, or write a name such as Asia/Shanghai.
setup-administrator = First administrator
setup-login-hint = What you sign in with, without spaces: a short name or an e-mail address.
setup-login-wrong = A login has no spaces. Choose a short name or an e-mail address.
setup-check = Please check the form: each field needs one line of text of a sensible length.
setup-password-short = Choose a password of at least { $n } characters.
setup-passwords-differ = The two passwords differ. Type the same one twice.
setup-do = Set up and sign in

customers-title = Customers
customer = Customer
customers-count = { $n ->
    [one] { $n } customer
   *[other] { $n } customers
}
customers-count-more = More than { $n } customers
as-of = as of { $what }
phones-silent = { $n ->
    [one] { $n } phone has not synced for a day
   *[other] { $n } phones have not synced for a day
}
views = Views
pages = Pages of the list
tab-all = All
tab-mine = Mine
tab-pool = In a pool
search = Search
search-hint = Search by name, contact, phone, notes …
owner = Owner
team = Team
pool = Pool
in-pool = Pool “{ $what }”
person = Person
any-owner = Any owner
any-team = Any team
any-pool = Any pool
any-stage = Any stage
any-tier = Any tier
clear-filter = Clear filters
last-contact = Last contact
no-contact = No contact known
no-match = No customer matches.
no-customers = There are no customers here yet. They come from phones, or by an import on the server.
no-customers-do = Connect a phone
list-ended = The list has become shorter; there is nothing on this page any more.
first-page = First page
next-page = Next page
select-page = Select all on this page
select-one = Select { $what }
select-none = Clear selection
select-all-matching = { $n ->
    [one] Assign the one that matches …
   *[other] Assign all { $n } that match …
}
chosen = { "{n}" } selected
conflicts = { $n ->
    [one] { $n } conflict
   *[other] { $n } conflicts
}

assign = Assign …
assign-title = Assign customers
assign-chosen = Assign selected …
assign-heading = { $n ->
    [one] Assign { $n } customer
   *[other] Assign { $n } customers
}
assign-do = { $n ->
    [one] Assign { $n } customer
   *[other] Assign { $n } customers
}
assign-to = New owner or pool
assign-choose = Choose a person or a pool
assign-from = Now with
assign-changed = Meanwhile other customers match, or some have another owner. Look at them once more, then confirm.
assign-too-many = More than { $n } customers match. Narrow the list down and assign in parts.
assign-hint = Records keep their authors. What the former owner has written without a connection still arrives, marked as such.
and-more = and { $n } more
reason = Reason (the new owner reads it)
no-team = Without a team
handed = { $n ->
    [0] No customer was assigned.
    [one] { $n } customer was assigned.
   *[other] { $n } customers were assigned.
}
handed-none = Nothing was assigned: { $what }.
handed-stayed = { $n ->
    [one] { $n } stayed where it was.
   *[other] { $n } stayed where they were.
}

you-are = You:
timeline = Timeline
timeline-owner = Owners
timeline-empty = Nothing has been recorded yet.
activity-hidden = What is done about this customer is read by its owner, the owner's managers and the back office.
visit-planned = Planned visit
follow-up-new = New follow-up
follow-up-hint = What was said, and what comes next
follow-up-empty = Write what was said or done.
follow-up-added = The follow-up was added.
next-due = Next on
on-phone = phone
on-web = web
arrived = written offline, arrived { $what }
late-arrival = arrived after handover
show-all = Show all
edit-card = Edit the card
edit-saved = Saved.
edit-nothing = Nothing was changed.
tags-hint = Separated by commas
contacts = Contacts
contacts-empty = No contacts yet.
opportunities = Opportunities
opportunities-empty = No opportunities yet.
history = History
history-of = History of { $what }
history-title = History: { $what }
history-empty = Nobody has written this field.
shown-now = shown now
empty-value = (empty)
keep-this = Keep this
conflicts-title = { $n ->
    [one] { $n } field has two values
   *[other] { $n } fields have two values
}
conflicts-hint = Two people wrote the same field without knowing of each other. Both values are kept until somebody chooses.
late-title = { $n ->
    [one] One value arrived late
   *[other] { $n } values arrived late
}
late-hint = Somebody wrote these without network, before knowing that the customer had changed hands. The fields show what others have written meanwhile; these values wait here and stay in the history.
take-over = Take over
dismiss = Dismiss
proposal-taken-over = The late value is taken over.
proposal-dismissed = The field stays as it is. The late value is in its history.
conflict-settled = The conflict is settled.

devices-title = Devices
devices-active = { $n ->
    [one] { $n } active device
   *[other] { $n } active devices
}
devices-silent = { $n } not synced for a day
devices-pending = { $n ->
    [one] { $n } change pending
   *[other] { $n } changes pending
}
devices-mine = My devices
devices-mine-empty = You have connected no phone yet.
device = Device
last-sync = Last sync
pending = Pending
state = State
never = never
evictions = { $n ->
    [one] { $n } customer still to be dropped
   *[other] { $n } customers still to be dropped
}
clock-ahead = clock { $n } min ahead
clock-behind = clock { $n } min behind
security-flags = { $n ->
    [one] tried once to write as somebody else
   *[other] tried { $n } times to write as somebody else
}
revoke = Revoke
revoke-sure = The device gets nothing any more. What it has not synced it may hand in for { $n } days; then it is wiped.
revoke-do = Revoke this device
device-was-revoked = The device was revoked.
enrol-title = Connect a phone
enrol-how = In the app, or with “fieldpool rep enroll”, give this server's address and your login and password. The phone makes a key of its own; the password does not stay on it.
enrol-server = Server
enrol-this-address = the address of this page

role-rep = Sales rep
role-manager = Manager
role-back-office = Back office
role-service = Service
role-auditor = Auditor
role-admin = Administrator
person-active = works here
person-offboarding = leaving
person-disabled = has left
relation-owner = owner
relation-cover = temporary cover
relation-collaborator = collaborator
relation-responsible = responsible
relation-manager = manager
relation-pool = member of the pool
relation-pool-admin = pool administrator
relation-team = in the owner's team
relation-back-office = back office
relation-service = service
relation-auditor = auditor
relation-admin = administrator
kind-card = Card
kind-dossier = Dossier
kind-contact = Contact
kind-opportunity = Opportunity
kind-visit = Visit
kind-follow-up = Follow-up
kind-ticket = Ticket
kind-internal = Internal
event-create = Created
event-claim = Claimed
event-release = Returned to pool
event-assign = Assigned
event-responsible = Made responsible
event-handover = Handed over
event-undo-handover = Handover undone
event-erase = A contact was erased
channel-visit = visit
channel-phone = phone
channel-wechat = WeChat
channel-email = e-mail
channel-meeting = meeting
channel-other = other
severity-low = low
severity-normal = normal
severity-high = high
device-active = active
device-revoked = revoked
device-wiped = wiped
wipe-unconfirmed = wipe not confirmed

field-accuracy-m = Accuracy (m)
field-actions = Actions
field-address = Address
field-amount-minor = Amount
field-birthday = Birthday
field-channel = Channel
field-close-date = Closes
field-comments = Comments
field-credit = Credit
field-crs = Coordinates
field-currency = Currency
field-custom = Custom fields
field-do-not-contact = Do not contact
field-done = Done
field-due = Due
field-email = E-mail
field-ended-accuracy-m = Accuracy at the end (m)
field-ended-at = Ended
field-ended-lat = Latitude at the end
field-ended-lon = Longitude at the end
field-floor-price-minor = Floor price
field-industry = Industry
field-lat = Latitude
field-lon = Longitude
field-loss-reason = Why it was lost
field-mock = Mock location
field-name = Name
field-needs = Needs
field-next-date = Next
field-note = Note
field-notes = Notes
field-outcome = Outcome
field-phones = Phones
field-photos = Photos
field-plan = Plan
field-planned-at = Planned for
field-preferences = Preferences
field-preferred-channel = Preferred channel
field-product = Product
field-region = Region
field-role = Role
field-satisfaction = Satisfaction
field-severity = Severity
field-source = Source
field-stage = Stage
field-started-at = Started
field-tags = Tags
field-text = Text
field-tier = Tier
field-title = Title
field-wechat = WeChat

handover-title = Handover
handover-what = Everything somebody owns or is responsible for goes to others in one step: customers, opportunities, tasks, planned visits, tickets. Records keep their authors and dates. It can be undone for 24 hours.
handover-who = Whose customers are handed over
handover-choose = Choose a person
handover-look = See what is there
handover-not-yours = Handovers that concern you are listed here. Managers, the back office and administrators hand over.
handover-list = Handovers
handover-none = No handover so far.
handover-from = From
handover-to = To
handover-by = Done by
handover-when = When
handover-done = done
handover-undone = undone
handover-heading = Hand over from { $what }
handover-holds = What is there
handover-nothing = There is nothing that you could hand over.
handover-stays = Who wrote what, dates, stages and links stay as they are.
held-customers = Customers
held-opportunities-open = Open opportunities
held-opportunities-closed = Closed opportunities
held-tasks = Open tasks
held-planned-visits = Planned visits
held-tickets = Tickets
held-responsible-elsewhere = Responsible at others’ customers
handover-rest = Who takes over
handover-rest-hint = One person or pool for everything, or several with their shares. Customers of one region stay together where that is possible.
handover-successor = { $n }. person or pool
handover-share = Share
handover-more = More people
handover-regions = Give some regions to others
handover-regions-hint = A region goes where you choose here; all else is shared as above.
handover-as-above = as above
handover-preview = Look at what would move
handover-preview-title = What would move
handover-unassigned = { $n ->
    [one] { $n } customer would go to nobody.
   *[other] { $n } customers would go to nobody.
}
handover-changed = Meanwhile something has changed. Look at it once more, then confirm.
handover-change-plan = Change the plan
handover-all = In all
handover-returned = { $n ->
    [one] { $n } task at somebody else’s customer goes back to that customer’s owner.
   *[other] { $n } tasks at other people’s customers go back to the owners of these customers.
}
handover-not-permitted = { $n ->
    [one] { $n } customer is another team’s and stays; its manager or the back office hands it over.
   *[other] { $n } customers are another team’s and stay; its manager or the back office hands them over.
}
handover-phones = Phones of those concerned
handover-no-phones = None that you look after.
handover-sure = All of it moves at once, or nothing does. The phones are told at their next sync.
handover-do = { $n ->
    [one] Hand over { $n } customer
   *[other] Hand over { $n } customers
}
handover-of = Handover from { $what }
handover-was-done = Handed over.
handover-was-undone = The handover was undone.
handover-undo = Undo this handover …
handover-undo-sure = What nobody has moved since goes back; what was done since stays.
handover-undo-until = Possible until { $what }.
handover-undo-do = Undo the handover
handover-back = { $n ->
    [one] { $n } customer went back.
   *[other] { $n } customers went back.
}
handover-left-moved = { $n } stayed: moved to somebody else since.
handover-left-changed = { $n } stayed: somebody else has been made responsible since.
briefing-title = What the new owners should know
briefing-empty = No customer that you may see.
briefing-next = agreed on { $what }
briefing-nothing = Nothing open.

covers-title = Temporary cover
covers-what = A colleague looks after the customers of somebody on leave. Both see and write them, the owner stays the owner, and at the end everything returns by itself. What the colleague has written stays.
covers-link = Temporary cover for somebody on leave
cover-of = Who is away
cover-by = Who looks after the customers
cover-until = Last day
cover-until-hint = The cover ends at the end of this day.
cover-begin = Begin the cover
cover-begun = The cover has begun. Phones hear of it at their next sync.
cover-ended = The cover has ended.
cover-bad-day = Choose a day from today on, within a year.
cover-nobody = Choose who is away and who looks after the customers.
covers-not-yours = Covers that concern you are listed here. Managers, the back office and administrators give them.
covers-list = Covers
covers-none = No cover so far.
cover-all = all customers
cover-lasts = lasts
cover-over = ended
cover-end = End now …
cover-end-sure = The customers leave the colleague’s phone at its next sync, once it has handed in what it holds.
cover-end-do = End the cover
cover-when = Until

people-title = People
people-count = { $n ->
    [one] { $n } person
   *[other] { $n } people
}
people-search = Search by name or login
people-none = Nobody matches.
people-change = Change the state
people-open = { $n ->
    [one] { $n } customer to hand over
   *[other] { $n } customers to hand over
}
people-hand-over = Hand over now
people-now-active = { $what } works here again.
people-now-offboarding = { $what } is leaving: signed out, and the phones hand in what they hold before they erase themselves.
people-now-disabled = { $what } has left: signed out, and what the phones still bring waits for a decision.
people-to-active = Works here again …
people-to-offboarding = Begin the departure …
people-to-disabled = Disable …
people-sure-active = Signing in works again, with the role and the team as before.
people-sure-offboarding = Sessions end at once. The phones hand in what they hold, receive nothing any more and then erase themselves.
people-sure-disabled = Sessions end at once, and nothing is given or taken any more. What the phones still bring waits for a decision.
people-do-active = Let sign in again
people-do-offboarding = Begin the departure
people-do-disabled = Disable the account
role = Role

quarantine-title = Quarantine
quarantine-what = What phones have brought and their people might not write, or not any more. Accepted, it stands under its author’s name, marked as late; refused, it stays out. Each is decided once, and the author is told.
quarantine-none = Nothing waits for a decision.
quarantine-unknown = A customer that was never made
quarantine-made = written
quarantine-received = arrived
quarantine-changes = { $n ->
    [one] { $n } change
   *[other] { $n } changes, decided together
}
quarantine-bytes = { $n ->
    [one] { $n } byte
   *[other] { $n } bytes
}
quarantine-unreadable = What it writes cannot be read.
quarantine-removed = removed
quarantine-as-sent = As it was sent
quarantine-accept = Accept
quarantine-refuse = Refuse
quarantine-was-accepted = Accepted.
quarantine-was-refused = Refused.
quarantine-conflict = It was decided before, or no longer fits the document. Refuse it and enter its content by hand.
waits-no-permission = not permitted when it arrived
waits-claim-lost = somebody else had claimed the customer
waits-trial-failed = the server could not apply it
waits-missing-deps = something it builds on is missing
waits-suspect-device = the phone is under suspicion
why = Reason
