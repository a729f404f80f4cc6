package sqlite

import (
	"fmt"
	"sync"
)

// maxNames are remembered. Senders may make up event names without end; what is forgotten is looked up again.
const maxNames = 1 << 16

// names remembers words and their numbers in the table of the same name, for the writer and for readers. A number never comes to mean
// another word, but for those of a transaction that was rolled back, which no reader has seen.
type names struct {
	mu    sync.RWMutex
	ids   map[string]int64
	words map[int64]string
}

func newNames() *names { return &names{ids: map[string]int64{}, words: map[int64]string{}} }

func (n *names) id(word string) (int64, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	id, ok := n.ids[word]
	return id, ok
}

func (n *names) add(id int64, word string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.ids) >= maxNames {
		clear(n.ids)
		clear(n.words)
	}
	n.ids[word], n.words[id] = id, word
}

func (n *names) forget(id int64, word string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.ids, word)
	delete(n.words, id)
}

// word gives the word of a number that stands in a row which c sees.
func (n *names) word(c *conn, id int64) (string, error) {
	n.mu.RLock()
	word, ok := n.words[id]
	n.mu.RUnlock()
	if ok {
		return word, nil
	}
	found, err := c.first(func(r row) error { word = r.text(0); return nil }, "SELECT name FROM names WHERE id = ?", id)
	if err != nil {
		return "", err
	}
	if !found {
		return "", fmt.Errorf("name %d is missing", id)
	}
	n.add(id, word)
	return word, nil
}

// name gives the number of a word, a new one where it was never seen.
func (w *writer) name(word string) (int64, error) {
	id, known, err := w.find(word)
	if err != nil || known {
		return id, err
	}
	_, id, err = w.exec("INSERT INTO names (name) VALUES (?)", word)
	if err != nil {
		return 0, err
	}
	w.names.add(id, word)
	w.undo(func() { w.names.forget(id, word) })
	return id, nil
}

// find gives the number of a word that has one.
func (w *writer) find(word string) (id int64, known bool, err error) {
	if id, ok := w.names.id(word); ok {
		return id, true, nil
	}
	known, err = w.c.first(func(r row) error { id = r.int(0); return nil }, "SELECT id FROM names WHERE name = ?", word)
	if err == nil && known {
		w.names.add(id, word)
	}
	return id, known, err
}
