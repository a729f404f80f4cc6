package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"

	driverpkg "modernc.org/sqlite"
)

// conn is one connection with its prepared statements. It is used by one goroutine at a time. It speaks to the driver itself, without
// database/sql between: on the accept path that layer costs as much as SQLite does. Parameters are plain question marks: the driver
// looks up the name of every other kind each time.
type conn struct {
	c     driver.Conn
	stmts map[string]*prepared
	args  []driver.NamedValue
	// ctx ends a long query; nil where none is long.
	ctx context.Context
}

type prepared struct {
	statement
	row []driver.Value
}

type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// open opens a connection with pragmas such as "synchronous(FULL)".
func open(path string, readOnly bool, pragmas ...string) (*conn, error) {
	q := url.Values{"_pragma": pragmas}
	if readOnly {
		q.Set("mode", "ro")
	}
	c, err := new(driverpkg.Driver).Open("file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode())
	if err != nil {
		return nil, err
	}
	return &conn{c: c, stmts: map[string]*prepared{}}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}

func (c *conn) prepare(sql string) (*prepared, error) {
	if s, ok := c.stmts[sql]; ok {
		return s, nil
	}
	s, err := c.c.Prepare(sql)
	if err != nil {
		return nil, fmt.Errorf("preparing %q: %w", sql, err)
	}
	st, ok := s.(statement)
	if !ok {
		return nil, errors.New("the driver's statements lack ExecContext")
	}
	p := &prepared{statement: st}
	c.stmts[sql] = p
	return p, nil
}

// bind puts arguments into the form that the driver takes; every integer as int64.
func (c *conn) bind(args []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, a := range args {
		switch v := a.(type) {
		case int:
			a = int64(v)
		case uint32:
			a = int64(v)
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.args
}

// exec runs a statement and gives the count of rows that it changed and the id of the last one inserted.
func (c *conn) exec(sql string, args ...any) (changed, id int64, err error) {
	s, err := c.prepare(sql)
	if err != nil {
		return 0, 0, err
	}
	res, err := s.ExecContext(nil, c.bind(args)) //nolint:staticcheck // a nil context is the driver's word for "cannot be interrupted"
	if err != nil {
		return 0, 0, err
	}
	changed, err = res.RowsAffected()
	if err != nil {
		return 0, 0, err
	}
	id, err = res.LastInsertId()
	return changed, id, err
}

// query runs a statement and calls each for every row. The row is only valid during the call; its text and bytes may be kept. The same
// statement must not be run again by each.
func (c *conn) query(each func(row) error, sql string, args ...any) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(c.ctx, c.bind(args))
	if err != nil {
		return err
	}
	if s.row == nil {
		s.row = make([]driver.Value, len(rows.Columns()))
	}
	for {
		err := rows.Next(s.row)
		if errors.Is(err, io.EOF) {
			return rows.Close()
		}
		if err == nil {
			err = each(s.row)
		}
		if err != nil {
			return errors.Join(err, rows.Close())
		}
	}
}

// first runs a query for one row; found is false where there is none.
func (c *conn) first(each func(row) error, sql string, args ...any) (found bool, err error) {
	err = c.query(func(r row) error {
		if found {
			return nil
		}
		found = true
		return each(r)
	}, sql, args...)
	return found, err
}

// exists says whether a query has a row.
func (c *conn) exists(sql string, args ...any) (bool, error) {
	return c.first(func(row) error { return nil }, sql, args...)
}

// one gives the integer of a query for one, 0 where there is none.
func (c *conn) one(sql string, args ...any) (int64, error) {
	var n int64
	_, err := c.first(func(r row) error { n = r.int(0); return nil }, sql, args...)
	return n, err
}

// row is one row of an answer.
type row []driver.Value

func (r row) int(i int) int64 {
	v, _ := r[i].(int64)
	return v
}

func (r row) text(i int) string {
	switch v := r[i].(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func (r row) bytes(i int) []byte {
	switch v := r[i].(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	}
	return nil
}
