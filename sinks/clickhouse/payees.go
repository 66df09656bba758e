package clickhouse

import (
	"ristourne/rules"
)

// payeesBlock is to whom instructions go that aren't for the card's own account.
type payeesBlock struct {
	block
	shard, accountRef, instructionID, iban, name, handle *column
}

func newPayeesBlock() *payeesBlock {
	var c columns
	b := &payeesBlock{
		shard: c.int32("shard"), accountRef: c.uuid("account_ref"), instructionID: c.text("instruction_id"),
		iban: c.text("iban"), name: c.text("name"), handle: c.text("handle"),
	}
	b.block = c.into("payees_log")
	return b
}

func (b *payeesBlock) append(d *rules.Decision) {
	for n := range d.Instructions {
		i := &d.Instructions[n]
		if i.IBAN == "" && i.Name == "" && i.Handle == "" {
			continue
		}
		b.shard.appendInt32(d.Shard)
		b.accountRef.appendRef(i.AccountRef)
		b.instructionID.appendString(i.ID)
		b.iban.appendString(i.IBAN)
		b.name.appendString(i.Name)
		b.handle.appendString(i.Handle)
	}
}
