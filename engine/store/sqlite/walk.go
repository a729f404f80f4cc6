package sqlite

import "errors"

// How many rows one call of Prune looks at, of each kind of thing: so that it takes a few milliseconds however many there are that must be
// kept.
const (
	frontRows = 4000 // that it sees for the first time
	sweepRows = 1500 // that it has passed over before
)

// walk remembers how far a search through a growing table has come. All below front was looked at once, and what is left there had to be
// kept then. It is looked at again a few rows a call, from again on, so that what may go since is found too: where there are no more than
// sweepRows of it in each call.
type walk struct{ front, again int64 }

// found is a row that may go.
type found struct{ id, size int64 }

// errEnough ends a query early.
var errEnough = errors.New("enough rows")

// verdict is what to do about a row.
type verdict int

const (
	keep verdict = iota
	take
	stop // the search is over
)

// look reads rows in the order of their ids, from one on, before another one, at most so many, until f says false.
type look func(from, before int64, rows int, f func(found, bool) bool) error

// next finds up to limit rows below end for which judge says take; more says that there are others, or that there may be: it has looked
// at as many as it may.
func (k *walk) next(limit int, end int64, rows look, judge func(found, bool) verdict) (ids []found, more bool, err error) {
	full, over := false, false
	pass := func(from, before int64, budget int) (pos int64, seen int, err error) {
		pos = from
		err = rows(from, before, budget, func(row found, free bool) bool {
			switch judge(row, free) {
			case stop:
				over = true
				return false
			case take:
				if len(ids) >= limit {
					full = true
					return false
				}
				ids = append(ids, row)
			}
			pos, seen = row.id+1, seen+1
			return true
		})
		return pos, seen, err
	}
	front, again := min(k.front, end), k.again
	if again >= front {
		again = 0
	}
	if again < front {
		pos, seen, err := pass(again, front, sweepRows)
		if err != nil {
			return nil, false, err
		}
		switch {
		case seen == sweepRows, full && again > 0:
			k.again = pos
		default:
			k.again = 0 // all of it was seen, or little enough to be seen again
		}
	}
	if full || over || k.front >= end {
		return ids, full, nil
	}
	pos, seen, err := pass(k.front, end, frontRows)
	if err != nil {
		return nil, false, err
	}
	k.front = pos
	return ids, full || seen == frontRows, nil
}
