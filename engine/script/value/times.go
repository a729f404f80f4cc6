package value

import "time"

// date reads a time: text in one of the usual forms, or in the layout that is given as Go has it. Text without an offset is UTC;
// names of time zones are not known here, because they would have to be read from files.
func date(_ *Budget, s *Site, args []any) (any, error) {
	if t, ok := args[0].(time.Time); ok {
		return t, nil
	}
	t, err := s.text(args, 0)
	if err != nil {
		return nil, err
	}
	layouts := []string{time.RFC3339, time.DateOnly, time.DateTime, time.RFC1123Z, time.RFC1123, time.RFC822Z, time.RFC822, time.RFC850}
	if len(args) == 2 {
		layout, err := s.text(args, 1)
		if err != nil {
			return nil, err
		}
		layouts = []string{layout}
	}
	if len(t) > maxTimeText {
		return nil, Errorf(Expression, "%s is no time that `%s` knows", s.operand(0), s.Op)
	}
	for _, layout := range layouts {
		if at, err := time.ParseInLocation(layout, t, time.UTC); err == nil {
			return at, nil
		}
	}
	return nil, Errorf(Expression, "%s is no time that `%s` knows", s.operand(0), s.Op)
}

// maxTimeText bounds texts and layouts of times.
const maxTimeText = 128

func duration(_ *Budget, s *Site, args []any) (any, error) {
	if d, ok := args[0].(time.Duration); ok {
		return d, nil
	}
	t, err := s.text(args, 0)
	if err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(t)
	if err != nil || len(t) > maxTimeText {
		return nil, Errorf(Expression, "%s is no duration such as 1h30m", s.operand(0))
	}
	return d, nil
}

// Methods lists what can be called on a time or a duration, and how many arguments each takes.
func Methods() map[string]int {
	return map[string]int{
		"Year": 0, "Month": 0, "Day": 0, "Hour": 0, "Minute": 0, "Second": 0, "Weekday": 0, "YearDay": 0, "Unix": 0, "UnixMilli": 0,
		"UTC": 0, "Format": 1, "Add": 1, "Sub": 1, "Before": 1, "After": 1, "Equal": 1,
		"Hours": 0, "Minutes": 0, "Seconds": 0, "Milliseconds": 0, "String": 0,
	}
}

// Method calls a method of a time or a duration; the name is one of Methods and has its arguments.
func (b *Budget) Method(s *Site, name string, v any, args []any) (any, error) {
	switch x := v.(type) {
	case time.Time:
		return b.timeMethod(s, name, x, args)
	case time.Duration:
		switch name {
		case "Hours":
			return x.Hours(), nil
		case "Minutes":
			return x.Minutes(), nil
		case "Seconds":
			return x.Seconds(), nil
		case "Milliseconds":
			return x.Milliseconds(), nil
		case "String":
			return x.String(), nil
		}
		return nil, Errorf(Expression, "%s is a duration, which has no method %s", s.operand(0), name)
	}
	return nil, s.wrong(0, v, "a time or a duration")
}

func (b *Budget) timeMethod(s *Site, name string, t time.Time, args []any) (any, error) {
	switch name {
	case "Year":
		return int64(t.Year()), nil
	case "Month":
		return int64(t.Month()), nil
	case "Day":
		return int64(t.Day()), nil
	case "Hour":
		return int64(t.Hour()), nil
	case "Minute":
		return int64(t.Minute()), nil
	case "Second":
		return int64(t.Second()), nil
	case "Weekday":
		return int64(t.Weekday()), nil
	case "YearDay":
		return int64(t.YearDay()), nil
	case "Unix":
		return t.Unix(), nil
	case "UnixMilli":
		return t.UnixMilli(), nil
	case "UTC":
		return t.UTC(), nil
	case "String":
		return t.Format(time.RFC3339Nano), nil
	case "Format":
		layout, ok := args[0].(string)
		if !ok || len(layout) > maxTimeText {
			return nil, s.wrong(1, args[0], "a layout of at most 128 bytes")
		}
		return t.Format(layout), nil
	case "Add":
		if _, ok := args[0].(time.Duration); ok {
			return b.Add(s, t, args[0])
		}
		return nil, s.wrong(1, args[0], "a duration")
	case "Sub", "Before", "After", "Equal":
		u, ok := args[0].(time.Time)
		switch {
		case !ok:
			return nil, s.wrong(1, args[0], "a time")
		case name == "Sub":
			return t.Sub(u), nil
		case name == "Before":
			return t.Before(u), nil
		case name == "After":
			return t.After(u), nil
		}
		return t.Equal(u), nil
	}
	return nil, Errorf(Expression, "%s is a time, which has no method %s", s.operand(0), name)
}
