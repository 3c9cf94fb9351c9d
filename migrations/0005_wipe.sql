-- Devices that end: revoked ones hand in what they hold for some days, and all are told to erase themselves once
-- nothing is pending on them. A device confirms it with its own key.

-- When somebody took its right away: until some days later it hands in what it still holds.
ALTER TABLE device ADD COLUMN revoked_at BIGINT;
-- When it was first told to erase everything. The order stands whatever becomes of its user.
ALTER TABLE device ADD COLUMN wipe_ordered_at BIGINT;
-- When it confirmed that all is gone.
ALTER TABLE device ADD COLUMN wiped_at BIGINT;

-- What is known of those revoked before: they may have as long as if it had been when they were last heard.
UPDATE device SET revoked_at = COALESCE(last_seen_at, enrolled_at) WHERE state = 'revoked';
UPDATE device SET wiped_at = COALESCE(last_seen_at, enrolled_at) WHERE state = 'wiped';
