package published

import (
	"context"
	"errors"
	"slices"
	"testing"

	"ristourne/processor/catalog"
)

const springCampaign = "campaign: spring\nboosts: [{id: more, offers: [a/o], multiply: 2}]\n"

// One subject ends by itself: what else the folder would say stays as it is.
func TestEndEndsOneSubjectAlone(t *testing.T) {
	t.Parallel()
	client, ctx := newClient(t), context.Background()
	options := PublishOptions{Prefix: prefix}
	spring := catalog.Subject{Kind: catalog.KindCampaign, ID: "spring"}
	if _, err := End(ctx, client, spring, options); !errors.Is(err, ErrEmpty) {
		t.Fatalf("ending in an empty catalogue says %v", err)
	}
	mustPublish(t, client, folder(t, map[string]string{
		"a.yaml": shop("a", 3, ""), "spring.yaml": springCampaign, "autumn.yaml": "campaign: autumn\nboosts: [{id: more, multiply: 3}]\n",
		"later.yaml": "campaign: spring\neffective_from: 2035-01-01\nboosts: [{id: more, offers: [a/o], multiply: 4}]\n",
	}), PublishOptions{})
	ended, err := End(ctx, client, spring, options)
	if err != nil {
		t.Fatal(err)
	}
	_, now, err := Read(ctx, client, prefix)
	if err != nil {
		t.Fatal(err)
	}
	last := ended.Changes[len(ended.Changes)-1]
	if last.Kind != Ended || last.Subject != spring || last.From.Before(now.AddSeconds(leadSeconds-5)) {
		t.Errorf("the change is %+v at %s", last, now)
	}
	wantChanges(t, changesOf(Result{Changes: ended.Changes[:len(ended.Changes)-1]}), "withdrawn campaign spring 2034-12-31T23:00:00Z")
	loaded, _, err := Read(ctx, client, prefix)
	if err != nil {
		t.Fatal(err)
	}
	var held []string
	for _, c := range loaded.Catalogue.Campaigns {
		if !c.Version.Ended {
			held = append(held, c.ID)
		}
	}
	if !slices.Equal(held, []string{"autumn", "spring"}) { // spring's past stays
		t.Errorf("versions of campaigns: %v", held)
	}
	for _, nothing := range []catalog.Subject{spring, {Kind: catalog.KindCampaign, ID: "nobody"}} {
		if again, err := End(ctx, client, nothing, options); err != nil || len(again.Changes) > 0 {
			t.Errorf("ending %s: %v, %v", nothing, again.Changes, err)
		}
	}
	if _, err := End(ctx, client, catalog.Subject{Kind: catalog.KindProgramme, ID: "test"}, options); err == nil {
		t.Error("a programme is ended")
	}
}

// A preview says what the publication then does, and does nothing itself.
func TestPreviewSaysWhatPublishDoes(t *testing.T) {
	t.Parallel()
	client, ctx := newClient(t), context.Background()
	first := folder(t, map[string]string{"a.yaml": shop("a", 3, ""), "b.yaml": shop("b", 3, "")})
	second := folder(t, map[string]string{"a.yaml": shop("a", 5, ""), "c.yaml": shop("c", 4, "2035-01-01")})
	for i, loaded := range []*catalog.Loaded{first, second, second} {
		options := PublishOptions{Prefix: prefix, RemoveMissing: true}
		preview, err := PreviewOf(ctx, client, loaded, options)
		if err != nil {
			t.Fatal(err)
		}
		again, err := PreviewOf(ctx, client, loaded, options)
		if err != nil || len(again.Changes) != len(preview.Changes) {
			t.Fatalf("a second preview says %v, %v", again, err)
		}
		if (preview.Before == nil) != (i == 0) || preview.After == nil {
			t.Errorf("publication %d: before %v, after %v", i, preview.Before, preview.After)
		}
		published, err := Publish(ctx, client, loaded, options)
		if err != nil {
			t.Fatal(err)
		}
		subjects := func(changes []Change) []string {
			var all []string
			for _, c := range changes {
				all = append(all, string(c.Kind)+" "+c.Subject.String())
			}
			return all
		}
		if got, want := subjects(preview.Changes), subjects(published.Changes); !slices.Equal(got, want) {
			t.Errorf("publication %d changes %v, and its preview said %v", i, want, got)
		}
		after, _, err := Read(ctx, client, prefix)
		if err != nil || len(after.Catalogue.Partners) != len(preview.After.Catalogue.Partners) {
			t.Errorf("publication %d: %v", i, err)
		}
	}
	if _, err := PreviewOf(ctx, client, first, PublishOptions{Prefix: prefix}); err == nil {
		t.Error("a preview of a folder that lacks what is published says nothing of it")
	}
}
